//! What annotation signals say: marks, and where each data record begins in time.

use super::annotation_list::{self, Broken, List};
use super::reader::EdfReader;
use crate::data::formats::tally::Tally;
use crate::data::formats::{FormatError, FormatFault, MOST_MARKS, Place, Strictness};
use crate::signal::{Annotation, Onset, Origin, Warning};

impl EdfReader {
    /// The first record may begin at a fraction of a second after the header's time.
    pub(super) fn begin(&mut self) -> Result<(), FormatError> {
        let Some(slot) = self.layout.annotations.first().copied().filter(|_| self.layout.n_records > 0) else {
            return Ok(());
        };
        let (lists, broken) = annotation_list::parse(self.bytes_of(slot, 0)?);
        let Some(onset_s) = time_keeper(&lists, &broken).map(onset_s) else { return Ok(()) };
        self.first_onset_s = onset_s;
        if let Some(start) = self.header.start.as_mut() {
            let midnight_s = f64::from(start.hour) * 3600.0 + f64::from(start.minute) * 60.0 + start.second;
            if let Some(clock) = clock(midnight_s + onset_s) {
                (start.hour, start.minute, start.second) = clock;
            } else {
                let message = format!("the first data record begins {onset_s} s after the start, on another day");
                self.header.warnings.push(Warning { place: Place::Record(0).to_string(), message });
            }
        }
        Ok(())
    }

    /// The marks of every annotation signal of every record.
    pub(super) fn marks(&mut self) -> Result<Vec<Annotation>, FormatError> {
        let mut annotations = Vec::new();
        let mut odd = Tally::default();
        let mut before_s = None;
        for record in 0..self.layout.n_records {
            for index in 0..self.layout.annotations.len() {
                let Some(slot) = self.layout.annotations.get(index).copied() else { continue };
                let (lists, broken) = annotation_list::parse(self.bytes_of(slot, record)?);
                self.refuse(record, &broken, &mut odd)?;
                let mut keeper = None;
                if index == 0 {
                    keeper = time_keeper(&lists, &broken).map(|list| list.at);
                    before_s = self.check_onset(record, time_keeper(&lists, &broken), before_s, &mut odd)?;
                }
                for list in lists {
                    let is_keeper = keeper == Some(list.at);
                    self.note(record, &list, is_keeper, &mut odd);
                    for mark in Self::marks_of(list, is_keeper, self.first_onset_s) {
                        if annotations.len() >= MOST_MARKS {
                            return Err(self.at(FormatFault::TooManyMarks { limit: MOST_MARKS }));
                        }
                        annotations.push(mark);
                    }
                }
            }
        }
        for warning in odd.into_warnings() {
            self.warn(warning);
        }
        Ok(annotations)
    }

    /// Broken lists end a strict reading and are counted by a lenient one.
    fn refuse(&self, record: u64, broken: &[Broken], odd: &mut Tally) -> Result<(), FormatError> {
        for &Broken { at, reason } in broken {
            let fault = FormatFault::AnnotationList { record, at, reason };
            if self.strictness == Strictness::Strict {
                return Err(self.at(fault));
            }
            odd.add("broken", Place::Record(record), || {
                format!("{fault}; that list is passed over, the others are kept")
            });
        }
        Ok(())
    }

    /// What is odd of a list but no fault.
    fn note(&self, record: u64, list: &List, is_keeper: bool, odd: &mut Tally) {
        if list.latin_1 {
            let message = || format!("the text at byte {} is no UTF-8; taken as Latin-1", list.at);
            odd.add("latin-1", Place::Record(record), message);
        }
        let from_first_s = onset_s(list) - self.first_onset_s;
        let marks_something = !is_keeper || list.texts.len() > 1;
        if marks_something && self.layout.record_s > 0.0 && !(0.0..=self.header.duration_s).contains(&from_first_s) {
            let message = || format!("the onset at byte {} stands outside the recording", list.at);
            odd.add("outside", Place::Record(record), message);
        }
    }

    fn marks_of(list: List, is_keeper: bool, first_onset_s: f64) -> impl Iterator<Item = Annotation> {
        let List { onset: onset_text, duration, texts, .. } = list;
        let onset = Onset::Seconds(seconds(&onset_text) - first_onset_s);
        // The empty text by which a record keeps time marks nothing.
        texts.into_iter().skip(usize::from(is_keeper)).map(move |text| Annotation {
            onset,
            duration_s: duration.as_deref().map(seconds),
            text,
            origin: Origin::Edf { onset_text: onset_text.clone(), duration_text: duration.clone() },
        })
    }

    /// Where a record begins, held against where the one before ends; `None`: it does not say.
    fn check_onset(
        &self,
        record: u64,
        keeper: Option<&List>,
        before_s: Option<f64>,
        odd: &mut Tally,
    ) -> Result<Option<f64>, FormatError> {
        let Some(found_s) = keeper.map(onset_s) else {
            odd.add("time", Place::Record(record), || "no list keeps the time of the data record".to_owned());
            return Ok(None);
        };
        let rates = self.header.channels.iter().map(|channel| channel.rate_hz);
        let half_sample_s = 0.5 / rates.fold(f64::MIN_POSITIVE, f64::max);
        // Against the one before, not the first: the stated duration has eight digits and its error adds up.
        let expected_s = before_s.map_or(found_s, |before_s| before_s + self.layout.record_s);
        if self.layout.record_s > 0.0 && (found_s - expected_s).abs() > half_sample_s {
            let fault = FormatFault::Gap { record, expected_s, found_s };
            if self.strictness == Strictness::Strict {
                return Err(self.at(fault));
            }
            odd.add("gap", Place::Record(record), || format!("{fault}; it is read as if it followed"));
        }
        Ok(Some(found_s))
    }
}

/// The list that gives the onset of a record: the first one, if its first text is empty.
fn time_keeper<'a>(lists: &'a [List], broken: &[Broken]) -> Option<&'a List> {
    let first = lists.first().filter(|list| list.texts.first().is_none_or(String::is_empty))?;
    broken.iter().all(|broken| broken.at > first.at).then_some(first)
}

fn onset_s(list: &List) -> f64 {
    seconds(&list.onset)
}

/// Seconds since midnight as a time of day, if it is one.
fn clock(midnight_s: f64) -> Option<(u8, u8, f64)> {
    let (hour, rest_s) = ((midnight_s / 3600.0).floor(), midnight_s.rem_euclid(3600.0));
    let small = |number: f64| (0_u8..60).find(|small| f64::from(*small) == number);
    // To the seven decimals that writers give, so that no binary dust shows.
    let second = (rest_s.rem_euclid(60.0) * 1e7).round() / 1e7;
    let whole = hour < 24.0 && second < 60.0;
    whole.then_some((small(hour)?, small((rest_s / 60.0).floor())?, second))
}

/// Decimal texts were checked when they were read.
fn seconds(decimal: &str) -> f64 {
    decimal.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_stays_within_its_day() {
        assert_eq!(clock(4.0 * 3600.0 + 5.0 * 60.0 + 56.0 + 0.394_531_2), Some((4, 5, 56.394_531_2)));
        assert_eq!(clock(3599.0 + 2.5), Some((1, 0, 1.5)));
        assert_eq!(clock(86_400.0), None);
        assert_eq!(clock(-0.5), None);
    }
}
