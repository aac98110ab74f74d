//! The run folder: its file names, its journal, its provenance. Nothing else knows a file name in it.
