//! Signal format 212: two 12-bit two's-complement samples in three bytes.
//!
//! The first byte holds the low bits of the first sample, the third those of the second; the middle byte holds the high
//! bits of the first in its low half and of the second in its high half. Pairs run through the stream of all signals of
//! a file; an odd last sample takes two bytes.

use super::Encoding;

pub(super) struct Format212;

impl Encoding for Format212 {
    fn code(&self) -> u32 {
        212
    }

    fn invalid(&self) -> i32 {
        -2048
    }

    fn samples_per_group(&self) -> u64 {
        2
    }

    fn bytes_for(&self, n_samples: u64) -> u64 {
        // One and a half bytes a sample, rounded up, without overflow.
        n_samples.saturating_add(n_samples.div_ceil(2))
    }

    fn samples_in(&self, n_bytes: u64) -> u64 {
        let pairs = n_bytes / 3;
        pairs.saturating_mul(2).saturating_add(u64::from(n_bytes % 3 == 2))
    }

    fn unpack(&self, bytes: &[u8], into: &mut [i32]) {
        let sign_extend = |twelve_bits: u16| i32::from((twelve_bits << 4).cast_signed() >> 4);
        let first = |low: u8, nibbles: u8| sign_extend(u16::from(low) | (u16::from(nibbles & 0x0F) << 8));
        let (pairs, last) = into.as_chunks_mut::<2>();
        let (triplets, _) = bytes.as_chunks::<3>();
        for ([sample_0, sample_1], [low, nibbles, high]) in pairs.iter_mut().zip(triplets) {
            *sample_0 = first(*low, *nibbles);
            *sample_1 = sign_extend(u16::from(*high) | (u16::from(nibbles & 0xF0) << 4));
        }
        let rest = bytes.chunks(3).nth(pairs.len());
        if let (Some(sample), Some([low, nibbles, ..])) = (last.first_mut(), rest) {
            *sample = first(*low, *nibbles);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_samples_share_the_middle_byte() {
        let mut samples = [0; 4];
        Format212.unpack(&[0xFF, 0x3F, 0xE3, 0x00, 0x78, 0xFF], &mut samples);
        assert_eq!(samples, [-1, 995, Format212.invalid(), 2047]);
    }

    #[test]
    fn odd_last_sample_takes_two_bytes_or_three() {
        for bytes in [&[0, 0, 0, 0xE3, 0x03][..], &[0, 0, 0, 0xE3, 0x03, 0x77]] {
            let mut samples = [7; 3];
            Format212.unpack(bytes, &mut samples);
            assert_eq!(samples, [0, 0, 995]);
        }
    }
}
