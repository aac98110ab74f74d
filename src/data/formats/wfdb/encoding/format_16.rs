//! Signal format 16: one little-endian two's-complement 16-bit number a sample.

use super::Encoding;

pub(super) struct Format16;

impl Encoding for Format16 {
    fn code(&self) -> u32 {
        16
    }

    fn invalid(&self) -> i32 {
        i32::from(i16::MIN)
    }

    fn samples_per_group(&self) -> u64 {
        1
    }

    fn bytes_for(&self, n_samples: u64) -> u64 {
        n_samples.saturating_mul(2)
    }

    fn samples_in(&self, n_bytes: u64) -> u64 {
        n_bytes / 2
    }

    fn unpack(&self, bytes: &[u8], into: &mut [i32]) {
        let (pairs, _) = bytes.as_chunks::<2>();
        for (sample, pair) in into.iter_mut().zip(pairs) {
            *sample = i32::from(i16::from_le_bytes(*pair));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_byte_comes_first_and_the_sign_is_kept() {
        let mut samples = [0; 3];
        Format16.unpack(&[0xE3, 0x03, 0xFF, 0xFF, 0x00, 0x80], &mut samples);
        assert_eq!(samples, [995, -1, Format16.invalid()]);
    }
}
