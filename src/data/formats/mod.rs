//! Bytes to recordings: WFDB and EDF. Knows nothing of subjects or classes.
