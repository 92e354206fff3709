"""The queue of `benches/mmc.rs` in SimPy, written as its documentation writes a shared resource.

Called with: workers, mean gap and mean service time in seconds, bound of lateness in seconds,
requests, seed. Prints the seconds of processor time of the simulation alone and the late ones.
"""

import random
import sys
import time

import simpy


def request(env, workers, takes_s, late_s, late):
    asked = env.now
    with workers.request() as turn:
        yield turn
        if env.now - asked > late_s:
            late[0] += 1
        yield env.timeout(takes_s)


def users(env, workers, gap_s, mean_s, late_s, requests, draws, late):
    for _ in range(requests):
        yield env.timeout(draws.expovariate(1 / gap_s))
        env.process(request(env, workers, draws.expovariate(1 / mean_s), late_s, late))


def main():
    workers, gap_s, mean_s, late_s, requests, seed = sys.argv[1:]
    env, draws, late = simpy.Environment(), random.Random(int(seed)), [0]
    resource = simpy.Resource(env, capacity=int(workers))
    bounds = (float(gap_s), float(mean_s), float(late_s), int(requests))
    env.process(users(env, resource, *bounds, draws, late))
    began = time.process_time()
    env.run()
    print(time.process_time() - began, late[0])


main()
