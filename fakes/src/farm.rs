//! All doubles of one farm behind one clock.
