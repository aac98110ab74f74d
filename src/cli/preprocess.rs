//! `biossl preprocess`: recordings to a store.

use clap::Args;
use serde::Serialize;

use crate::base::Watch;
use crate::data::preprocess::Summary;
use crate::pipeline::{LabelCount, Stale, label_counts, prepare};

use super::Global;
use super::exit::{self, Failure};
use super::output::{self, Columns, Page};
use super::request::{self, Request};

/// Make the store that a pipeline asks for: windows in physical units with their labels, one HDF5 file. A store that
/// the same recipe made is kept; one of another recipe is refused.
#[derive(Debug, Args)]
pub(super) struct Preprocess {
    #[command(flatten)]
    request: Request,
    /// Make the store anew when another recipe made it.
    #[arg(long)]
    overwrite: bool,
}

/// What became of the store.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Made(Box<Summary>),
    Kept(Standing),
}

#[derive(Serialize)]
struct Standing {
    store: std::path::PathBuf,
    recipe_hash: String,
    windows: usize,
    classes: Vec<LabelCount>,
    /// True: the store was there already.
    kept: bool,
}

impl Preprocess {
    pub(super) fn run(&self, global: &Global, watch: &Watch) -> Result<u8, Failure> {
        let pipeline = self.request.read(global)?;
        let means = request::means(global, watch)?;
        let stale = if self.overwrite { Stale::Overwrite } else { Stale::Refuse };
        let prepared = prepare(&pipeline, stale, &means)?;
        let result = match prepared.made {
            Some(summary) => Outcome::Made(Box::new(summary)),
            None => Outcome::Kept(Standing {
                store: pipeline.store,
                recipe_hash: prepared.store.recipe_hash().to_owned(),
                windows: prepared.store.table().rows.len(),
                classes: label_counts(&prepared.store),
                kept: true,
            }),
        };
        output::print(global.form(), &result).map_err(Failure::stdout)?;
        Ok(exit::DONE)
    }
}

impl Page for Outcome {
    fn page(&self) -> String {
        match self {
            Self::Made(summary) => made_page(summary),
            Self::Kept(kept) => {
                let mut columns = Columns::new(&["class", "windows"]);
                for count in &kept.classes {
                    columns.row([class_word(count.class.as_deref()), count.windows.to_string()]);
                }
                let Standing { store, windows, recipe_hash, .. } = kept;
                format!("{}: {windows} windows, recipe {recipe_hash} (was there)\n{}", store.display(), columns.text(2))
            }
        }
    }
}

fn class_word(class: Option<&str>) -> String {
    class.unwrap_or("(no class)").to_owned()
}

fn made_page(summary: &Summary) -> String {
    let mut text = format!(
        "{}: {} windows of {} recordings, {} subjects, {:.1} MB, recipe {}\n",
        summary.store.display(),
        summary.windows,
        summary.recordings,
        summary.subjects.len(),
        summary.bytes as f64 / 1e6,
        summary.recipe_hash,
    );
    let mut classes = Columns::new(&["class", "windows", "rejected"]);
    for count in &summary.classes {
        classes.row([class_word(count.class.as_deref()), count.windows.to_string(), count.rejected.to_string()]);
    }
    text += &classes.text(2);
    let head: Vec<String> = std::iter::once("subject".to_owned())
        .chain(summary.classes.iter().map(|count| class_word(count.class.as_deref())))
        .collect();
    let mut subjects = Columns::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for subject in &summary.subjects {
        subjects.row(std::iter::once(subject.subject.clone()).chain(subject.windows.iter().map(usize::to_string)));
    }
    text += &subjects.text(2);
    let excluded = summary.excluded.iter().map(|one| format!("  left out: {} ({})\n", one.id, one.reason));
    let rejected = summary.rejected.iter().map(|one| {
        let (class, reason) = (class_word(one.class.as_deref()), one.reason.name());
        format!("  rejected: {} windows of {} {class}, {reason}\n", one.windows, one.subject)
    });
    let warnings = summary.warnings.iter().map(|warning| format!("  warning: {warning}\n"));
    text.extend(excluded.chain(rejected).chain(warnings));
    text
}
