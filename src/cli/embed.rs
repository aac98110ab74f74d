//! `biossl embed`: embeddings of all windows, for other programs.

use std::path::PathBuf;

use clap::Args;

use crate::base::Watch;
use crate::pipeline::{Embedded, EncoderSource, embed_store};

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Page};
use super::request::{self, Request};

/// Embed all windows with a pretrained encoder, for other programs.
///
/// Writes `embeddings.npy` ([n, dim], f32) and `rows.csv` (row, subject, recording,
/// session, start sample, label). Roles play no part: to judge by these numbers, take the people of `split.json`.
#[derive(Debug, Args)]
pub(super) struct Embed {
    #[command(flatten)]
    request: Request,
    /// Where the two files go.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// An encoder from a file instead of one in the run folder.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arm", "fold", "subject"])]
    checkpoint: Option<PathBuf>,
    /// The arm [default: the first].
    #[arg(long, value_name = "NAME")]
    arm: Option<String>,
    /// The fold [default: the first]; with an encoder a person, the person's number.
    #[arg(long, value_name = "N", conflicts_with = "subject")]
    fold: Option<u16>,
    /// With an encoder a person, whose it is [default: that of the only person in the store].
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
}

impl Embed {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        let source = if let Some(file) = &self.checkpoint {
            EncoderSource::File(file.clone())
        } else {
            let part = request::part(self.fold, self.subject.as_ref());
            EncoderSource::Arm { arm: self.arm.clone(), part }
        };
        let embedded = embed_store(&pipeline, &source, &self.to, &means)?;
        output::print(global.form(), &embedded).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

impl Page for Embedded {
    fn page(&self) -> String {
        let Self { embeddings, rows, n, dim, left_out, encoder, seen } = self;
        let left_out = match left_out {
            0 => String::new(),
            some => format!(" ({some} windows with samples that are no number are left out)"),
        };
        let seen = match seen.as_slice() {
            [] => "nobody of this store".to_owned(),
            people => format!("{} (what these numbers tell of them says nothing of new people)", people.join(", ")),
        };
        format!(
            "{}: [{n}, {dim}] f32{left_out}\n{}: what each row is\nencoder: {}\nin its pool: {seen}\n",
            embeddings.display(),
            rows.display(),
            encoder.display()
        )
    }
}
