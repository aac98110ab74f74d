//! NumPy's file of one array, as far as we write it.

use ndarray::Array2;

/// The bytes of an `.npy` file: version 1.0, f32 little-endian, rows one behind the other.
///
/// # Source
/// numpy.lib.format, "Format Version 1.0".
pub fn npy(values: &Array2<f32>) -> Vec<u8> {
    let (rows, columns) = values.dim();
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // Magic, version and length take ten bytes; with a line break at its end the head fills whole blocks of 64.
    let padding = (64 - (10 + head.len() + 1) % 64) % 64;
    head.extend(std::iter::repeat_n(' ', padding));
    head.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_numpys() {
        // numpy 2.4: np.save of np.array([[1, -2.5, 3]], dtype='<f4')
        let golden = "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c20\
            277368617065273a2028312c2033292c207d";
        let bytes = npy(&ndarray::array![[1.0, -2.5, 3.0]]);
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert!(hex.starts_with(golden), "{hex}");
        assert!(hex.ends_with("0a0000803f000020c000004040"), "{hex}");
        assert_eq!(bytes.len(), 128 + 12);
    }
}
