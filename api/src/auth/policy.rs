//! Who may do what to whom: the one place that decides, and the proof it hands out.
