//! Butterworth filters as second-order sections.

use std::f64::consts::PI;

use rustfft::num_complex::Complex64;

use super::error::DspError;
use super::notch::notch;

/// Which frequencies a filter lets through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Band {
    /// Those below `hz`.
    Low {
        /// Edge, 3 dB down.
        hz: f64,
    },
    /// Those above `hz`.
    High {
        /// Edge, 3 dB down.
        hz: f64,
    },
    /// Those between.
    Band {
        /// Lower edge, 3 dB down.
        low_hz: f64,
        /// Upper edge, 3 dB down.
        high_hz: f64,
    },
}

/// One second-order section: `y = b0 x + b1 x' + b2 x'' - a1 y' - a2 y''`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Section {
    /// Numerator.
    pub b: [f64; 3],
    /// Denominator without its leading 1.
    pub a: [f64; 2],
}

/// A filter as a chain of second-order sections.
#[derive(Debug, Clone, PartialEq)]
pub struct Sos {
    pub(super) sections: Vec<Section>,
}

/// Zeros, poles and gain.
struct Zpk {
    zeros: Vec<Complex64>,
    poles: Vec<Complex64>,
    gain: f64,
}

impl Sos {
    /// A Butterworth filter of `order` (a band-pass has twice as many poles).
    ///
    /// # Errors
    /// An order outside 1..=16, an edge that is not between 0 and half the rate, an empty band.
    ///
    /// # Source
    /// SciPy `signal.butter(order, band, fs=rate, output="sos")`, with its nearest pairing.
    pub fn butterworth(order: usize, band: Band, rate_hz: f64) -> Result<Self, DspError> {
        if !(1..=16).contains(&order) {
            return Err(DspError::Order { order });
        }
        let warp = |what, hz: f64| {
            if hz > 0.0 && hz < rate_hz / 2.0 {
                Ok(4.0 * (PI * hz / rate_hz).tan())
            } else {
                Err(DspError::Frequency { what, hz, rate_hz })
            }
        };
        let prototype = (0..order).map(|i| {
            let m = 2.0 * i as f64 - (order as f64 - 1.0);
            // The middle pole of an odd order is real; its imaginary part is an exact zero.
            -Complex64::new((PI * m / (2.0 * order as f64)).cos(), (PI * m / (2.0 * order as f64)).sin())
        });
        let analog = match band {
            Band::Low { hz } => low_pass(prototype, warp("a low-pass edge", hz)?),
            Band::High { hz } => high_pass(prototype, warp("a high-pass edge", hz)?),
            Band::Band { low_hz, high_hz } => {
                let edges = (warp("a lower edge", low_hz)?, warp("an upper edge", high_hz)?);
                if low_hz >= high_hz {
                    return Err(DspError::Band { low_hz, high_hz });
                }
                band_pass(prototype, edges)
            }
        };
        Ok(Self { sections: pair(bilinear(analog)) })
    }

    /// A notch as a filter of one section.
    ///
    /// # Errors
    /// As [`notch`].
    pub fn notch(f0_hz: f64, bandwidth_hz: f64, rate_hz: f64) -> Result<Self, DspError> {
        Ok(Self { sections: vec![notch(f0_hz, bandwidth_hz, rate_hz)?] })
    }

    /// The sections, in order of application.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }
}

fn low_pass(prototype: impl ExactSizeIterator<Item = Complex64>, edge: f64) -> Zpk {
    let gain = edge.powi(prototype.len() as i32);
    Zpk { zeros: Vec::new(), poles: prototype.map(|p| p * edge).collect(), gain }
}

fn high_pass(prototype: impl ExactSizeIterator<Item = Complex64>, edge: f64) -> Zpk {
    let poles: Vec<Complex64> = prototype.collect();
    let gain = poles.iter().map(|p| -p).product::<Complex64>().inv().re;
    let zeros = vec![Complex64::default(); poles.len()];
    Zpk { zeros, poles: poles.iter().map(|p| edge / p).collect(), gain }
}

fn band_pass(prototype: impl ExactSizeIterator<Item = Complex64>, (low, high): (f64, f64)) -> Zpk {
    let (width, centre_squared, order) = (high - low, low * high, prototype.len());
    let poles = prototype.flat_map(|p| {
        let q = p * (width / 2.0);
        let root = (q * q - centre_squared).sqrt();
        [q + root, q - root]
    });
    let poles = poles.collect();
    Zpk { zeros: vec![Complex64::default(); order], poles, gain: width.powi(order as i32) }
}

/// To the unit circle, with twice the sampling rate as unit of frequency.
fn bilinear(analog: Zpk) -> Zpk {
    let product = |roots: &[Complex64]| roots.iter().map(|root| 4.0 - root).product::<Complex64>();
    let gain = analog.gain * (product(&analog.zeros) / product(&analog.poles)).re;
    let map = |root: &Complex64| {
        let mapped = (4.0 + root) / (4.0 - root);
        // What is real but for rounding is real: pairing depends on it.
        if mapped.im.abs() <= 1e-14 * mapped.norm() { Complex64::new(mapped.re, 0.0) } else { mapped }
    };
    let poles: Vec<Complex64> = analog.poles.iter().map(map).collect();
    let mut zeros: Vec<Complex64> = analog.zeros.iter().map(map).collect();
    zeros.resize(poles.len(), Complex64::new(-1.0, 0.0));
    Zpk { zeros, poles, gain }
}

/// Nearest pairing: the poles nearest the unit circle go last, each with the zeros nearest to it.
fn pair(Zpk { mut zeros, mut poles, gain }: Zpk) -> Vec<Section> {
    if !poles.len().is_multiple_of(2) {
        poles.push(Complex64::default());
        zeros.push(Complex64::default());
    }
    let from_circle = |p: &Complex64| (1.0 - p.norm()).abs();
    let mut sections = Vec::with_capacity(poles.len() / 2);
    while !poles.is_empty() {
        let p1 = take_least(&mut poles, |p| Some(from_circle(p)));
        let p2 = if p1.im == 0.0 {
            take_least(&mut poles, |p| (p.im == 0.0).then(|| from_circle(p)))
        } else {
            take_least(&mut poles, |p| (p.im != 0.0).then(|| (p - p1.conj()).norm()))
        };
        let z1 = take_least(&mut zeros, |z| Some((z - p1).norm()));
        let z2 = if z1.im == 0.0 {
            take_least(&mut zeros, |z| (z.im == 0.0).then(|| (z - p1).norm()))
        } else {
            take_least(&mut zeros, |z| Some((z - z1.conj()).norm()))
        };
        let (b, a) = ((z1 + z2, z1 * z2), (p1 + p2, p1 * p2));
        sections.push(Section { b: [1.0, -b.0.re, b.1.re], a: [-a.0.re, a.1.re] });
    }
    sections.reverse();
    if let Some(first) = sections.first_mut() {
        first.b = first.b.map(|value| value * gain);
    }
    sections
}

/// Removes the root of least `distance`; those without one are passed over.
fn take_least(roots: &mut Vec<Complex64>, distance: impl Fn(&Complex64) -> Option<f64>) -> Complex64 {
    let distances = roots.iter().enumerate().filter_map(|(i, root)| Some((i, distance(root)?)));
    let least = distances.min_by(|one, other| one.1.total_cmp(&other.1));
    let (i, _) = least.expect("roots are real or come with their conjugates, and their number is even");
    roots.remove(i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_row_of_the_protocol() {
        let sos = Sos::butterworth(4, Band::Band { low_hz: 8.0, high_hz: 30.0 }, 160.0).unwrap();
        let first = sos.sections()[0];
        for (value, expected) in first.b.into_iter().zip([1.0, 2.0, 1.0]) {
            assert!((value - 0.013_977_425_590_7 * expected).abs() < 1e-13);
        }
        assert!((first.a[0] + 0.816_014_786_859_2).abs() < 1e-12);
        assert!((first.a[1] - 0.311_220_278_589_8).abs() < 1e-12);
    }

    #[test]
    fn gain_is_one_in_the_band_and_half_the_power_at_its_edges() {
        for order in 1..=9 {
            for (band, inside, edges) in [
                (Band::Low { hz: 30.0 }, 0.0, vec![30.0]),
                (Band::High { hz: 2.0 }, 125.0, vec![2.0]),
                (Band::Band { low_hz: 4.0, high_hz: 9.0 }, 6.027, vec![4.0, 9.0]),
            ] {
                let sos = Sos::butterworth(order, band, 250.0).unwrap();
                let power = |hz: f64| {
                    let z = Complex64::from_polar(1.0, -2.0 * PI * hz / 250.0);
                    let gain = |s: &Section| (s.b[0] + z * (s.b[1] + z * s.b[2])) / (1.0 + z * (s.a[0] + z * s.a[1]));
                    sos.sections().iter().map(gain).product::<Complex64>().norm_sqr()
                };
                assert!((power(inside) - 1.0).abs() < 1e-4, "{order} {band:?} {}", power(inside));
                assert!(edges.into_iter().all(|hz| (power(hz) - 0.5).abs() < 1e-9), "{order} {band:?}");
            }
        }
    }

    #[test]
    fn edges_and_orders_that_cannot_be_are_refused() {
        let design = |order, band| Sos::butterworth(order, band, 100.0).unwrap_err();
        assert!(matches!(design(4, Band::Low { hz: 50.0 }), DspError::Frequency { .. }));
        assert!(matches!(design(4, Band::High { hz: 0.0 }), DspError::Frequency { .. }));
        assert!(matches!(design(4, Band::High { hz: f64::NAN }), DspError::Frequency { .. }));
        assert!(matches!(design(4, Band::Band { low_hz: 9.0, high_hz: 9.0 }), DspError::Band { .. }));
        assert!(matches!(design(0, Band::Low { hz: 5.0 }), DspError::Order { order: 0 }));
        assert!(matches!(notch(49.0, 3.0, 100.0).unwrap_err(), DspError::Frequency { .. }));
    }
}
