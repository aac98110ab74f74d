//! L-BFGS for smooth convex functions.

use std::collections::VecDeque;

/// Pairs of steps and gradient changes that are kept.
const MEMORY: usize = 10;
/// Sufficient decrease.
const ARMIJO: f64 = 1e-4;
/// Curvature condition (weak Wolfe).
const CURVATURE: f64 = 0.9;
/// Halvings and doublings of a line search before it gives up.
const SEARCH_STEPS: usize = 60;

/// Where to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stop {
    /// Largest absolute gradient entry.
    pub(super) gradient: f64,
    /// Steps.
    pub(super) steps: usize,
}

/// Where it stopped.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Minimum {
    pub(super) at: Vec<f64>,
    /// Largest absolute gradient entry there.
    pub(super) gradient: f64,
    pub(super) steps: usize,
}

/// A point with value and gradient of the function there.
#[derive(Clone)]
struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// Minimises `function` (value; writes the gradient) from `start`.
///
/// # Source
/// `liu1989lbfgs` (two-loop recursion); line search by bisection for the weak Wolfe conditions
/// (`lewis2013nonsmooth`, algorithm 2.6).
pub(super) fn minimise(mut function: impl FnMut(&[f64], &mut [f64]) -> f64, start: Vec<f64>, stop: Stop) -> Minimum {
    let mut evaluate = |x: Vec<f64>| {
        let mut gradient = vec![0.0; x.len()];
        let value = function(&x, &mut gradient);
        Point { x, value, gradient }
    };
    let mut here = evaluate(start);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::with_capacity(MEMORY);
    let mut steps = 0;
    while steps < stop.steps && largest(&here.gradient) > stop.gradient {
        let direction = downhill(&here.gradient, &pairs);
        // The first step has no scale yet; a later one has that of the last curvature.
        let first = if pairs.is_empty() { 1.0 / norm(&here.gradient).max(1.0) } else { 1.0 };
        let Some(next) = search(&mut evaluate, &here, &direction, first) else {
            if pairs.is_empty() {
                break; // steepest descent finds nothing below: the limit of f64 is reached
            }
            pairs.clear();
            continue;
        };
        let s: Vec<f64> = next.x.iter().zip(&here.x).map(|(new, old)| new - old).collect();
        let y: Vec<f64> = next.gradient.iter().zip(&here.gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&s, &y);
        if curvature > f64::EPSILON * dot(&y, &y) {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back((s, y, curvature));
        }
        here = next;
        steps += 1;
    }
    Minimum { gradient: largest(&here.gradient), at: here.x, steps }
}

fn downhill(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for (s, y, curvature) in pairs.iter().rev() {
        let alpha = dot(s, &q) / curvature;
        add(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    if let Some((_, y, curvature)) = pairs.back() {
        let scale = curvature / dot(y, y);
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((s, y, curvature), alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
        let beta = dot(y, &q) / curvature;
        add(&mut q, alpha - beta, s);
    }
    q
}

fn search(evaluate: &mut impl FnMut(Vec<f64>) -> Point, here: &Point, direction: &[f64], first: f64) -> Option<Point> {
    let slope = dot(&here.gradient, direction);
    if slope >= 0.0 {
        return None;
    }
    // Near the minimum the decrease drowns in rounding; there the slope decides alone.
    let slack = 8.0 * f64::EPSILON * here.value.abs();
    let (mut low, mut high, mut step) = (0.0, f64::INFINITY, first);
    for _ in 0..SEARCH_STEPS {
        let mut x = here.x.clone();
        add(&mut x, step, direction);
        let next = evaluate(x);
        let decreased = next.value <= here.value + ARMIJO * step * slope + slack;
        if !decreased {
            high = step; // a value that is no number lands here, too
        } else if dot(&next.gradient, direction) < CURVATURE * slope {
            low = step;
        } else {
            return (next.x != here.x).then_some(next);
        }
        step = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * low };
    }
    None
}

fn add(into: &mut [f64], times: f64, what: &[f64]) {
    into.iter_mut().zip(what).for_each(|(into, what)| *into += times * what);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn largest(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |largest, x| largest.max(x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretched_bowl_is_found_to_the_last_digits() {
        let scales = [1.0, 10.0, 1e3, 1e5];
        let bowl = |x: &[f64], gradient: &mut [f64]| {
            let mut value = 0.0;
            for i in 0..4 {
                let off = x[i] - i as f64;
                gradient[i] = scales[i] * off;
                value += 0.5 * scales[i] * off * off;
            }
            value
        };
        let minimum = minimise(bowl, vec![7.0; 4], Stop { gradient: 1e-10, steps: 200 });
        assert!(minimum.gradient <= 1e-10);
        assert!(minimum.at.iter().enumerate().all(|(i, x)| (x - i as f64).abs() < 1e-10), "{minimum:?}");
    }

    #[test]
    fn a_limit_of_steps_is_kept() {
        let slope = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = x[0].tanh() + 0.5;
            x[0].cosh().ln() + 0.5 * x[0]
        };
        assert_eq!(minimise(slope, vec![40.0], Stop { gradient: 1e-12, steps: 2 }).steps, 2);
    }
}
