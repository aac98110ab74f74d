//! Where the electrodes of the 10-10 system lie, by rule instead of by measurement: on the unit sphere, +x to the right,
//! +y to the nose, +z up.

use super::channel_names::canonical;

/// A row of electrodes from ear to ear: it lies on the circle through the ring's point on the left, the midline, and the
/// ring's point on the right.
struct Row {
    /// `FC`: the letters of the electrodes between midline and ring.
    name: &'static str,
    /// `FT`: the letters of the ring's electrodes.
    ring: &'static str,
    /// 7: the ring's number on the left; on the right it is one more.
    ring_number: u32,
    /// Degrees from the nose along the ring.
    ring_azimuth: f64,
    /// Degrees from the vertex; negative towards the back of the head.
    midline: f64,
}

const fn row(name: &'static str, (ring, ring_number): (&'static str, u32), ring_azimuth: f64, midline: f64) -> Row {
    Row { name, ring, ring_number, ring_azimuth, midline }
}

const ROWS: [Row; 9] = [
    row("FP", ("FP", 1), 18.0, 92.0),
    row("AF", ("AF", 7), 36.0, 69.0),
    row("F", ("F", 7), 54.0, 46.0),
    row("FC", ("FT", 7), 72.0, 23.0),
    row("C", ("T", 7), 90.0, 0.0),
    row("CP", ("TP", 7), 108.0, -23.0),
    row("P", ("P", 7), 126.0, -46.0),
    row("PO", ("PO", 7), 144.0, -69.0),
    row("O", ("O", 1), 162.0, -92.0),
];
/// Degrees of the ring from the vertex, and of the ring below it (T9, T10, Iz).
const RING: f64 = 92.0;
const LOW_RING: f64 = 115.0;

/// The place of an electrode on the unit sphere; `None` for a label that names none of the 10-10 system (`MLII`, `EOG`).
/// The label is read as [`canonical`] reads it.
///
/// # Source
/// The positions are our own rule; about a fitted centre, measured montages lie within 11 degrees of it.
///
/// ```
/// let [x, y, z] = biossl::signal::electrode_position("Fc5.").expect("an electrode");
/// assert!((x + 0.881).abs() < 5e-4 && (y - 0.340).abs() < 5e-4 && (z - 0.330).abs() < 5e-4);
/// assert_eq!(biossl::signal::electrode_position("MLII"), None);
/// ```
pub fn electrode_position(label: &str) -> Option<[f64; 3]> {
    let name = canonical(label);
    let name = name.as_str();
    if let Some(row_name) = name.strip_suffix('Z') {
        let pole = if row_name == "I" { -LOW_RING } else { row_of(row_name)?.midline };
        return Some(on_sphere(pole.abs(), if pole < 0.0 { 180.0 } else { 0.0 }));
    }
    let digits = name.find(|sign: char| sign.is_ascii_digit())?;
    let (letters, number) = name.split_at(digits);
    let number = number.parse::<u32>().ok().filter(|n| *n > 0 && n.to_string() == number)?;
    let (left, side) = if number.is_multiple_of(2) { (number - 1, 1.0) } else { (number, -1.0) };
    if (letters, left) == ("T", 9) {
        return Some(on_sphere(LOW_RING, side * 90.0));
    }
    if let Some(row) = ROWS.iter().find(|row| (row.ring, row.ring_number) == (letters, left)) {
        return Some(on_sphere(RING, side * row.ring_azimuth));
    }
    let row = row_of(letters).filter(|row| row.ring_number == 7)?;
    let share = match left {
        1 => 0.25,
        3 => 0.5,
        5 => 0.75,
        _ => return None,
    };
    Some(between(row, side, share))
}

fn row_of(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// `pole` degrees from the vertex, `azimuth` degrees from the nose to the right.
fn on_sphere(pole: f64, azimuth: f64) -> [f64; 3] {
    let (pole, azimuth) = (pole.to_radians(), azimuth.to_radians());
    [libm::sin(pole) * libm::sin(azimuth), libm::sin(pole) * libm::cos(azimuth), libm::cos(pole)]
}

/// The point of a row at `share` of the circle's angle from the midline to the ring, on one side (-1 left, 1 right).
fn between(row: &Row, side: f64, share: f64) -> [f64; 3] {
    let midline = on_sphere(row.midline.abs(), if row.midline < 0.0 { 180.0 } else { 0.0 });
    let right = on_sphere(RING, row.ring_azimuth);
    // Left and right ring differ in the sign of x only, so the circle's plane holds the x axis' direction, and its centre
    // lies in the plane x = 0: at equal distance from the midline's point and from the ring's.
    let chord = [0.0, right[1] - midline[1], right[2] - midline[2]];
    let height = libm::sqrt(dot(chord, chord));
    let radius = (height * height + right[0] * right[0]) / (2.0 * height);
    let inward = chord.map(|x| x / height);
    let whole = libm::acos((radius - height) / radius);
    let (sine, cosine) = (libm::sin(share * whole), libm::cos(share * whole));
    let x = side * radius * sine;
    [x, midline[1] + inward[1] * radius * (1.0 - cosine), midline[2] + inward[2] * radius * (1.0 - cosine)]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All 64 electrodes of EEGMMIDB in the order of its files, but their positions in groups: right-hand number, |x|, y
    /// and z to three digits; the rows behind the ears mirror those before them.
    const FRONT: [(&str, [f64; 3]); 21] = [
        ("FC6", [0.881, 0.340, 0.330]),
        ("FC4", [0.675, 0.367, 0.640]),
        ("FC2", [0.366, 0.384, 0.848]),
        ("FCZ", [0.0, 0.391, 0.921]),
        ("FP2", [0.309, 0.950, -0.035]),
        ("FPZ", [0.0, 0.999, -0.035]),
        ("AF8", [0.587, 0.809, -0.035]),
        ("AF4", [0.359, 0.899, 0.250]),
        ("AFZ", [0.0, 0.934, 0.358]),
        ("F8", [0.809, 0.587, -0.035]),
        ("F6", [0.728, 0.639, 0.249]),
        ("F4", [0.548, 0.681, 0.485]),
        ("F2", [0.294, 0.710, 0.640]),
        ("FZ", [0.0, 0.719, 0.695]),
        ("FT8", [0.950, 0.309, -0.035]),
        ("C6", [0.934, 0.0, 0.358]),
        ("C4", [0.719, 0.0, 0.695]),
        ("C2", [0.391, 0.0, 0.921]),
        ("T8", [0.999, 0.0, -0.035]),
        ("T10", [0.906, 0.0, -0.423]),
        ("CZ", [0.0, 0.0, 1.0]),
    ];
    const MIRRORED: [(&str, &str); 5] = [("FC", "CP"), ("F", "P"), ("AF", "PO"), ("FP", "O"), ("FT", "TP")];

    fn left_of(label: &str) -> Option<String> {
        let digits = label.find(|sign: char| sign.is_ascii_digit())?;
        let number: u32 = label[digits..].parse().unwrap();
        Some(format!("{}{}", &label[..digits], number - 1))
    }

    /// Every electrode of the table with its position.
    fn table() -> Vec<(String, [f64; 3])> {
        let mut all = vec![("IZ".to_owned(), [0.0, -0.906, -0.423])];
        for (label, place) in FRONT {
            let letters = label.trim_end_matches(|sign: char| sign.is_ascii_digit() || sign == 'Z');
            let mirror = MIRRORED.iter().find(|(front, _)| *front == letters);
            let mut names = vec![(label.to_owned(), place)];
            if let Some((front, back)) = mirror {
                names.push((label.replacen(front, back, 1), [place[0], -place[1], place[2]]));
            }
            for (name, place) in names {
                if let Some(left) = left_of(&name) {
                    all.push((left, [-place[0], place[1], place[2]]));
                }
                all.push((name, place));
            }
        }
        all
    }

    fn close(a: [f64; 3], b: [f64; 3], within: f64) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within)
    }

    #[test]
    fn all_64_lie_where_the_table_puts_them() {
        let table = table();
        assert_eq!(table.len(), 64);
        for (label, expected) in table {
            let found = electrode_position(&label).unwrap_or_else(|| panic!("{label} has no position"));
            assert!(close(found, expected, 5.1e-4), "{label}: {found:?} {expected:?}");
            assert!((dot(found, found) - 1.0).abs() < 1e-12, "{label}");
        }
    }

    #[test]
    fn no_two_electrodes_share_a_place() {
        let table = table();
        for (i, (one, _)) in table.iter().enumerate() {
            for (other, _) in &table[..i] {
                let cosine = dot(electrode_position(one).unwrap(), electrode_position(other).unwrap());
                assert!(cosine < 0.999, "{one} {other}");
            }
        }
    }

    #[test]
    fn rows_follow_the_circle_through_three_points() {
        for row in ROWS.iter().filter(|row| row.ring_number == 7) {
            let end = between(row, -1.0, 1.0);
            assert!(close(end, on_sphere(RING, -row.ring_azimuth), 1e-12), "{}: {end:?}", row.name);
            // Equal angles are equal chords.
            let chord = |a: f64, b: f64| {
                let (a, b) = (between(row, 1.0, a), between(row, 1.0, b));
                let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
                dot(d, d)
            };
            assert!((chord(0.0, 0.25) - chord(0.5, 0.75)).abs() < 1e-12, "{}", row.name);
            assert!((chord(0.25, 0.5) - chord(0.75, 1.0)).abs() < 1e-12, "{}", row.name);
        }
    }

    #[test]
    fn old_names_and_other_spellings_are_the_same_places() {
        for (old, new) in
            [("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8"), ("EEG Fc5-REF", "FC5"), ("Cz..", "CZ")]
        {
            assert_eq!(electrode_position(old), electrode_position(new), "{old}");
            assert!(electrode_position(new).is_some());
        }
    }

    #[test]
    fn what_is_no_electrode_has_no_place() {
        for label in
            ["", "Z", "MLII", "V5", "other", "FP3", "O5", "F9", "FC7", "C0", "C03", "C3X", "EOG", "A1", "I1", "T1"]
        {
            assert_eq!(electrode_position(label), None, "{label}");
        }
    }
}
