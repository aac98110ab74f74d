//! TensorBoard's event files: the scalars of one training, as TFRecords of the `Event` message.
//!
//! A record is the length (u64), its masked CRC-32C, the message, the message's masked CRC-32C, all little-endian. Of
//! the message we write wall time (field 1), step (2), the version in the first record (3) and a summary (5) of values
//! with tag (1) and simple value (2).

use std::path::{Path, PathBuf};

use crate::base::{AppendFile, write_atomically};

use super::RunError;
use super::stamp::seconds_since_1970;

/// TensorBoard takes a file for its own by `tfevents` in the name; one writer a folder needs no time or host in it.
const NAME: &str = "events.out.tfevents.biossl";
/// The first record of every file.
const VERSION: &[u8] = b"brain.Event:2";

/// Appends the scalars of one training to an event file.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: AppendFile,
}

impl Events {
    /// Opens the event file of `folder` at its end; a new one begins with its version.
    pub(super) fn open(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(NAME);
        if !path.is_file() {
            let mut version = timed(seconds_since_1970());
            bytes_field(&mut version, 3, VERSION);
            write_atomically(&path, &record(&version)).map_err(RunError::io(&path))?;
        }
        let file = AppendFile::open(&path).map_err(RunError::io(&path))?;
        Ok(Self { path, file })
    }

    /// Writes the scalars of a step, in one record.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn scalars(&mut self, step: u64, scalars: &[(String, f64)]) -> Result<(), RunError> {
        self.file.append(&record(&event(seconds_since_1970(), step, scalars))).map_err(RunError::io(&self.path))
    }

    /// Cuts the file back to the steps up to `done`, which a resumed training has behind it. A last record that a killed
    /// process left unfinished goes too.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn rewind(&mut self, done: u64) -> Result<(), RunError> {
        let bytes = std::fs::read(&self.path).map_err(RunError::io(&self.path))?;
        let kept: Vec<u8> = Records(&bytes)
            .filter(|(_, event)| step_of(event).is_some_and(|step| step <= done))
            .flat_map(|(whole, _)| whole.iter().copied())
            .collect();
        if kept.len() < bytes.len() {
            write_atomically(&self.path, &kept).map_err(RunError::io(&self.path))?;
            self.file = AppendFile::open(&self.path).map_err(RunError::io(&self.path))?;
        }
        Ok(())
    }

    /// Waits until the disk has all records.
    ///
    /// # Errors
    /// When syncing fails.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync().map_err(RunError::io(&self.path))
    }
}

/// The whole records of a file, each with the message inside; ends at the first that is cut or damaged.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<8>()?;
        let (check, rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*check) != masked_crc(length) {
            return None;
        }
        let size = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (message, rest) = rest.split_at_checked(size)?;
        let (check, rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*check) != masked_crc(message) {
            return None;
        }
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some((whole, message))
    }
}

fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked_crc(message).to_le_bytes());
    record
}

fn event(wall_time: f64, step: u64, scalars: &[(String, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut one = Vec::new();
        bytes_field(&mut one, 1, tag.as_bytes());
        // Field 2, four bytes.
        one.push(2 << 3 | 5);
        one.extend((*value as f32).to_le_bytes());
        bytes_field(&mut summary, 1, &one);
    }
    let mut event = timed(wall_time);
    event.push(2 << 3);
    varint(&mut event, step);
    bytes_field(&mut event, 5, &summary);
    event
}

/// The beginning of an event: field 1, eight bytes.
fn timed(wall_time: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(wall_time.to_le_bytes());
    event
}

fn bytes_field(into: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    into.push(field << 3 | 2);
    varint(into, bytes.len() as u64);
    into.extend(bytes);
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// The step of an event as written here: behind the nine bytes of its time; 0 where there is none.
fn step_of(event: &[u8]) -> Option<u64> {
    let rest = event.get(9..)?;
    if rest.first() != Some(&(2 << 3)) {
        return Some(0);
    }
    let mut step = 0;
    for (index, &byte) in rest[1..].iter().enumerate().take(10) {
        step |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(step);
        }
    }
    None
}

/// TFRecord's form of a checksum: rotated and shifted, so that a checksum of data that hold checksums stays sound.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// CRC-32C (Castagnoli), reflected.
///
/// # Source
/// RFC 3720, appendix B.4.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn events(folder: &Path) -> Vec<(u64, Vec<u8>)> {
        let bytes = std::fs::read(folder.join(NAME)).unwrap();
        Records(&bytes).map(|(_, event)| (step_of(event).unwrap(), event[9..].to_vec())).collect()
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4, and the customary check value
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
    }

    #[test]
    fn a_record_has_the_bytes_that_tensorboard_writes() {
        // tensorboard 2.21, its RecordWriter: Event(wall_time=1.5, step=300), one value (tag "loss", simple_value 1.5)
        let golden = "1b000000000000001a0d9e1309000000000000f83f10ac022a0d0a0b0a046c6f7373150000c03f11f2d763";
        let written = record(&event(1.5, 300, &[("loss".to_owned(), 1.5)]));
        assert_eq!(written.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(), golden);
    }

    #[test]
    fn a_resumed_training_forgets_later_steps_and_a_torn_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Events::open(folder.path()).unwrap();
        for step in [1, 2, 200, 300] {
            file.scalars(step, &[("pretrain/loss".to_owned(), 0.5), ("pretrain/rate".to_owned(), 1e-3)]).unwrap();
        }
        file.file.append(&[24, 0, 0]).unwrap();
        let mut file = Events::open(folder.path()).unwrap();
        file.rewind(200).unwrap();
        file.scalars(201, &[]).unwrap();
        let found = events(folder.path());
        assert_eq!(found.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 1, 2, 200, 201]);
        assert!(found[0].1.ends_with(VERSION));
    }
}
