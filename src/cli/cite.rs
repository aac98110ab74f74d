//! `biossl list --cite`: the sources of what a pipeline can choose from, as BibTeX.

use std::collections::BTreeMap;

use serde::Serialize;

use super::output::Page;

/// The project's bibliography; every source that a room names stands in it (tests/it/architecture.rs).
const SOURCES: &str = include_str!("../../docs/sources.bib");

/// Entries of the bibliography with those who rest on them.
#[derive(Serialize)]
pub(super) struct Bibliography {
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Source {
    key: String,
    cited_by: Vec<String>,
    bibtex: String,
}

impl Bibliography {
    /// The sources of members, in the order of their keys.
    pub(super) fn of<'a>(members: impl Iterator<Item = (&'a str, &'a [&'static str])>) -> Self {
        let mut cited: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, keys) in members {
            for key in keys {
                cited.entry(key).or_default().push(name.to_owned());
            }
        }
        let entries: BTreeMap<&str, String> = entries(SOURCES).collect();
        let source = |(key, cited_by): (&str, Vec<String>)| {
            let bibtex = entries.get(key).expect("every cited source stands in docs/sources.bib").clone();
            Source { key: key.to_owned(), cited_by, bibtex }
        };
        Self { sources: cited.into_iter().map(source).collect() }
    }
}

/// The entries of a bibliography by key: each begins with `@` at the start of a line.
fn entries(text: &str) -> impl Iterator<Item = (&str, String)> {
    let starts = text.match_indices("\n@").map(|(at, _)| at + 1).chain(text.starts_with('@').then_some(0));
    starts.filter_map(move |start| {
        let rest = &text[start..];
        let entry = rest.find("\n@").map_or(rest, |end| &rest[..end]);
        let (_, after) = entry.split_once('{')?;
        let (key, _) = after.split_once(',')?;
        Some((key.trim(), entry.trim_end().to_owned()))
    })
}

impl Page for Bibliography {
    fn page(&self) -> String {
        let source = |source: &Source| format!("% {}\n{}\n\n", source.cited_by.join(", "), source.bibtex);
        self.sources.iter().map(source).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_cut_at_their_first_signs() {
        let text = "% a note\n\n@article{one,\n  title = {A {B}}, note = {a@b}\n}\n@book{ two ,\n  year = {2020}\n}\n";
        let found: Vec<_> = entries(text).collect();
        assert_eq!(found[0], ("one", "@article{one,\n  title = {A {B}}, note = {a@b}\n}".to_owned()));
        assert_eq!(found[1].0, "two");
    }

    #[test]
    fn each_source_comes_once_with_all_who_cite_it() {
        let page = Bibliography::of([("sacl", &["he2020moco"][..]), ("moco", &["he2020moco"])].into_iter()).page();
        assert!(page.starts_with("% sacl, moco\n@inproceedings{he2020moco,"), "{page}");
        assert_eq!(page.matches('@').count(), 1);
    }
}
