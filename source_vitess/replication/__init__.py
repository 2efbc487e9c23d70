"""The sync itself: state, copies, the change stream. Does no I/O of its own."""
