"""The queue of `benches/mmc.rs` in Ciw, written as its documentation writes an M/M/c.

Called with: workers, mean gap and mean service time in seconds, bound of lateness in seconds,
requests, seed. Prints the seconds of processor time of the simulation alone and the late ones.
"""

import sys
import time

import ciw


def main():
    workers, gap_s, mean_s, late_s, requests, seed = sys.argv[1:]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=1 / float(gap_s))],
        service_distributions=[ciw.dists.Exponential(rate=1 / float(mean_s))],
        number_of_servers=[int(workers)],
    )
    ciw.seed(int(seed))
    simulation = ciw.Simulation(network)
    began = time.process_time()
    simulation.simulate_until_max_customers(int(requests), method="Finish")
    seconds = time.process_time() - began
    late = sum(record.waiting_time > float(late_s) for record in simulation.get_all_records())
    print(seconds, late)


main()
