//! The width of a sample and what goes with it: the one thing in which EDF and BDF differ.

/// Bytes of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// EDF.
    Two,
    /// BDF.
    Three,
}

/// Words by which a header names its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    /// First eight bytes of the file.
    pub(super) magic: &'static [u8; 8],
    /// Without annotations.
    pub(super) plain: &'static str,
    /// With annotations, without gaps.
    pub(super) continuous: &'static str,
    /// How the reserved field opens where there are annotations; `C` or `D` follows.
    pub(super) plus: &'static str,
    /// Label of annotation signals.
    pub(super) annotations: &'static str,
}

impl Width {
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// The least and the greatest stored value.
    pub(super) fn range(self) -> (i32, i32) {
        match self {
            Self::Two => (-0x8000, 0x7FFF),
            Self::Three => (-0x80_0000, 0x7F_FFFF),
        }
    }

    pub(super) fn names(self) -> Names {
        match self {
            Self::Two => Names {
                magic: b"0       ",
                plain: "edf",
                continuous: "edf+c",
                plus: "EDF+",
                annotations: "EDF Annotations",
            },
            Self::Three => Names {
                magic: b"\xFFBIOSEMI",
                plain: "bdf",
                continuous: "bdf+c",
                plus: "BDF+",
                annotations: "BDF Annotations",
            },
        }
    }

    /// Appends the little-endian two's-complement samples of `bytes`.
    pub(super) fn unpack(self, bytes: &[u8], into: &mut Vec<i32>) {
        match self {
            Self::Two => {
                let (samples, _) = bytes.as_chunks::<2>();
                into.extend(samples.iter().map(|sample| i32::from(i16::from_le_bytes(*sample))));
            }
            Self::Three => {
                let (samples, _) = bytes.as_chunks::<3>();
                into.extend(
                    samples.iter().map(|[low, middle, high]| i32::from_le_bytes([0, *low, *middle, *high]) >> 8),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_byte_comes_first_and_the_sign_is_kept() {
        let mut samples = Vec::new();
        Width::Two.unpack(&[0x01, 0x02, 0x00, 0x80, 0xFF], &mut samples);
        Width::Three.unpack(&[0x01, 0x02, 0x03, 0x00, 0x00, 0x80, 0xFF, 0xFF, 0xFF, 0x01], &mut samples);
        assert_eq!(samples, [0x0201, -32768, 0x03_02_01, -8_388_608, -1]);
    }
}
