//! Signal formats: how the samples of one signal file are packed. One file a format.

mod format_16;
mod format_212;

use crate::data::formats::FormatFault;

/// One signal format. Samples of all signals of a file run through one stream, frame by frame.
pub(super) trait Encoding: Sync {
    /// Its number in headers.
    fn code(&self) -> u32;

    /// The stored value that means "no sample": the least one there is.
    fn invalid(&self) -> i32;

    /// Samples that lie together: a stretch may start at multiples of it only.
    fn samples_per_group(&self) -> u64;

    /// Bytes that the first `n_samples` of a stream take.
    fn bytes_for(&self, n_samples: u64) -> u64;

    /// Samples that are whole in the first `n_bytes` of a stream.
    fn samples_in(&self, n_bytes: u64) -> u64;

    /// Unpacks the samples of `bytes`, which begin at a group, into `into` until one of the two ends.
    fn unpack(&self, bytes: &[u8], into: &mut [i32]);
}

static ENCODINGS: &[&dyn Encoding] = &[&format_16::Format16, &format_212::Format212];

/// Numbers of signal(5) that are not read.
const OTHERS: [u32; 12] = [0, 8, 24, 32, 61, 80, 160, 310, 311, 508, 516, 524];

/// The format with this number; `signal` is for the message.
pub(super) fn find(code: u32, signal: usize) -> Result<&'static dyn Encoding, FormatFault> {
    if let Some(encoding) = ENCODINGS.iter().find(|encoding| encoding.code() == code) {
        return Ok(*encoding);
    }
    let known = if OTHERS.contains(&code) { "" } else { " (WFDB knows no such number)" };
    Err(FormatFault::Unsupported {
        what: format!("signal format {code}{known} of signal {signal}"),
        remedy: "convert the record to format 16 or 212, for instance with WFDB's xform",
    })
}

#[cfg(test)]
mod laws {
    use proptest::prelude::*;

    use super::*;

    /// Unpacks all whole samples of a stream.
    fn whole(encoding: &dyn Encoding, bytes: &[u8]) -> Vec<i32> {
        let mut samples = vec![0; encoding.samples_in(bytes.len() as u64) as usize];
        encoding.unpack(bytes, &mut samples);
        samples
    }

    proptest! {
        #[test]
        fn stretches_equal_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..200), group in 0_u64..40, n in 0_usize..60) {
            for encoding in ENCODINGS {
                let whole = whole(*encoding, &bytes);
                let first = group * encoding.samples_per_group();
                let n = n.min(whole.len().saturating_sub(first as usize));
                let mut part = vec![0; n];
                let from = (encoding.bytes_for(first) as usize).min(bytes.len());
                encoding.unpack(&bytes[from..], &mut part);
                if n > 0 {
                    prop_assert_eq!(&part[..], &whole[first as usize..first as usize + n]);
                }
            }
        }

        #[test]
        fn sizes_agree(n in 0_u64..1_000_000) {
            for encoding in ENCODINGS {
                prop_assert_eq!(encoding.samples_in(encoding.bytes_for(n)), n);
                if n > 0 {
                    prop_assert!(encoding.samples_in(encoding.bytes_for(n) - 1) < n);
                }
            }
        }

        #[test]
        fn no_size_overflows(n in any::<u64>()) {
            for encoding in ENCODINGS {
                let _ = (encoding.bytes_for(n), encoding.samples_in(n));
            }
        }
    }

    #[test]
    fn others_are_refused_by_number() {
        for code in [0, 8, 310, 516, 7] {
            let Err(FormatFault::Unsupported { what, .. }) = find(code, 1).map(Encoding::code) else {
                panic!("{code}")
            };
            assert!(what.starts_with(&format!("signal format {code}")), "{what}");
        }
    }
}
