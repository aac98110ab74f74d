//! What `biossl` alone says to somebody who has just installed it.

/// The screen of `biossl` alone.
pub(super) const SCREEN: &str = "\
biossl: self-supervised learning on biosignals.

It turns EEG and ECG recordings (WFDB, EDF, EDF+) into windows, pretrains an encoder on the training people without
labels, lets a classifier use it, and scores that on people nobody trained on, beside controls.

Try, in this order:
  biossl demo                                   the whole road on small real recordings, in minutes
  biossl inspect FILE                           what is in a recording of yours
  biossl init FOLDER                            a pipeline that fits your recordings
  biossl run pipelines/mitdb-sacl.toml --set corpus.root=DIR
                                                the whole road on MIT-BIH in DIR

`biossl list` shows what a pipeline can choose from, `biossl COMMAND --help` tells the rest.
";
