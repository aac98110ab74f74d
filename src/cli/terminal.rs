//! Progress on stderr: a bar with rate and remaining time on a terminal, plain lines every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::base::Progress;

/// Where a log file is read line by line, this often is enough.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Progress for a person (terminal) or a log (anything else); cautions only when `quiet`.
pub(super) fn progress(quiet: bool) -> Arc<dyn Progress> {
    if quiet {
        Arc::new(Quiet)
    } else if std::io::stderr().is_terminal() {
        Arc::new(Bars(Mutex::new(None)))
    } else {
        Arc::new(Plain(Mutex::new(None)))
    }
}

/// Whether stderr takes colours.
pub(super) fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A line on stderr; that nobody listens there is no fault.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _what: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _done: u64, _note: &str) {}
    fn end(&self) {}
    fn say(&self, _text: &str) {}
    fn caution(&self, text: &str) {
        line(&format!("caution: {text}"));
    }
}

struct Bars(Mutex<Option<ProgressBar>>);

impl Bars {
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, total: u64, unit: &str) {
        let template = match total {
            0 => format!("{{prefix}} {{spinner}} {{human_pos}} {unit}, {{per_sec}} {{wide_msg}}"),
            _ => format!(
                "{{prefix}} {{bar:24}} {{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left {{wide_msg}}"
            ),
        };
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // A unit is a plain word of ours; should one ever break the template, the plain bar still counts.
        bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what.to_owned());
        self.with(|current| {
            if let Some(old) = current.replace(bar) {
                old.finish_and_clear();
            }
        });
    }

    fn done_before(&self, done: u64) {
        self.with(|current| {
            if let Some(bar) = current {
                bar.set_position(done);
                bar.reset_eta();
            }
        });
    }

    fn advance(&self, done: u64, note: &str) {
        self.with(|current| {
            if let Some(bar) = current {
                bar.set_position(done);
                if !note.is_empty() {
                    bar.set_message(note.to_owned());
                }
            }
        });
    }

    fn end(&self) {
        self.with(|current| {
            if let Some(bar) = current.take() {
                bar.finish_and_clear();
                let (what, took) = (bar.prefix(), span(bar.elapsed()));
                line(&format!("{what}: {} in {took} {}", bar.position(), bar.message()));
            }
        });
    }

    fn say(&self, text: &str) {
        self.with(|current| match current {
            Some(bar) => bar.suspend(|| line(text)),
            None => line(text),
        });
    }

    fn caution(&self, text: &str) {
        self.say(&format!("caution: {text}"));
    }
}

struct Stretch {
    what: String,
    unit: String,
    total: u64,
    /// Finished by an earlier session.
    before: u64,
    done: u64,
    note: String,
    began: Instant,
    printed: Instant,
}

struct Plain(Mutex<Option<Stretch>>);

impl Progress for Plain {
    fn begin(&self, what: &str, total: u64, unit: &str) {
        let now = Instant::now();
        let stretch = Stretch {
            what: what.to_owned(),
            unit: unit.to_owned(),
            total,
            before: 0,
            done: 0,
            note: String::new(),
            began: now,
            printed: now,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stretch);
    }

    fn done_before(&self, done: u64) {
        if let Some(stretch) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            (stretch.before, stretch.done) = (done, done);
        }
    }

    fn advance(&self, done: u64, note: &str) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stretch) = &mut *current {
            stretch.done = done;
            note.clone_into(&mut stretch.note);
            if stretch.printed.elapsed() >= PLAIN_EVERY {
                stretch.printed = Instant::now();
                line(&stretch.state());
            }
        }
    }

    fn end(&self) {
        if let Some(stretch) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let took = span(stretch.began.elapsed());
            line(&format!("{}: {} {} in {took} {}", stretch.what, stretch.done, stretch.unit, stretch.note));
        }
    }

    fn say(&self, text: &str) {
        line(text);
    }

    fn caution(&self, text: &str) {
        line(&format!("caution: {text}"));
    }
}

impl Stretch {
    fn state(&self) -> String {
        let elapsed = self.began.elapsed().as_secs_f64().max(1e-3);
        let now = self.done.saturating_sub(self.before);
        let rate = now as f64 / elapsed;
        let Self { what, unit, total, done, note, .. } = self;
        if *total == 0 || now == 0 {
            return format!("{what}: {done} {unit}, {rate:.1}/s {note}");
        }
        let left = (total.saturating_sub(*done)) as f64 / rate;
        format!("{what}: {done}/{total} {unit}, {rate:.1}/s, {} left {note}", span(Duration::from_secs_f64(left)))
    }
}

/// A time as a person says it.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        0..60 => format!("{:.1} s", span.as_secs_f64()),
        whole @ 60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        whole => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_state_gives_rate_and_remaining_time() {
        let began = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        let (what, unit, note) = ("pretrain".to_owned(), "windows".to_owned(), "loss 3.1".to_owned());
        let mut stretch = Stretch { what, unit, total: 400, before: 0, done: 100, note, began, printed: began };
        assert_eq!(stretch.state(), "pretrain: 100/400 windows, 10.0/s, 30.0 s left loss 3.1");
        // A resumed run has taken 50 of its 100 steps in these ten seconds.
        stretch.before = 50;
        assert_eq!(stretch.state(), "pretrain: 100/400 windows, 5.0/s, 1 min 00 s left loss 3.1");
    }

    #[test]
    fn long_times_are_told_in_minutes_and_hours() {
        assert_eq!(span(Duration::from_secs(125)), "2 min 05 s");
        assert_eq!(span(Duration::from_mins(62)), "1 h 02 min");
    }
}
