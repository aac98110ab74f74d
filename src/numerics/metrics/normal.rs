//! The standard normal distribution, as far as tests and intervals need it.

/// Share of the distribution below `z`.
pub(super) fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Where `share` of the distribution lies below, found by bisection: it is asked for a few times a table.
///
/// `share` of 0 and 1 give the infinities.
pub(super) fn quantile(share: f64) -> f64 {
    if share <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if share >= 1.0 {
        return f64::INFINITY;
    }
    // The upper half through the lower one: near 1 a share has no digits left to tell places apart.
    if share > 0.5 {
        return -quantile(1.0 - share);
    }
    let (mut low, mut high) = (-40.0_f64, 0.0_f64);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if below(middle) < share { low = middle } else { high = middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_places() {
        // scipy.stats.norm: cdf, ppf
        for (z, share) in [(0.0, 0.5), (1.0, 0.841_344_746_068_542_9), (-3.0, 0.001_349_898_031_630_094_6)] {
            assert!((below(z) - share).abs() < 1e-16, "{z}");
        }
        for (share, z) in
            [(0.025, -1.959_963_984_540_054), (0.975, 1.959_963_984_540_054), (1e-10, -6.361_340_902_404_056)]
        {
            assert!((quantile(share) - z).abs() < 1e-13, "{share}");
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
