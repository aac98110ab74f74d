//! Orders of q pieces that lie far from each other.

/// `count` orders of `q` pieces: the identity, then always the order with the largest minimum Hamming distance to those
/// chosen; of equal ones that with the largest sum of distances, then the first in lexicographic order. Fewer when
/// there are no more.
///
/// # Panics
/// When `q` is above 9: the orders are listed in full.
///
/// # Source
/// `misra2020pirl` takes far orders from public code; that they begin with the identity and how ties are broken is
/// ours.
pub fn permutations(q: usize, count: usize) -> Vec<Vec<u8>> {
    assert!(q <= 9, "the orders of {q} pieces are too many to list");
    let all = all_orders(q);
    // Distance to the nearest chosen order, and the sum over all chosen ones.
    let mut distances: Vec<(usize, usize)> = vec![(usize::MAX, 0); all.len()];
    let mut chosen: Vec<Vec<u8>> = Vec::new();
    let mut next = 0;
    while chosen.len() < count.min(all.len()) {
        for (order, (least, sum)) in all.iter().zip(&mut distances) {
            let distance = order.iter().zip(&all[next]).filter(|(a, b)| a != b).count();
            *least = distance.min(*least);
            *sum += distance;
        }
        chosen.push(all[next].clone());
        let best = distances.iter().enumerate().max_by(|(i, a), (j, b)| a.cmp(b).then(j.cmp(i)));
        next = best.map_or(0, |(i, _)| i);
    }
    chosen
}

/// All orders of `q` pieces, lexicographic.
fn all_orders(q: usize) -> Vec<Vec<u8>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..q {
        let longer = |order: &Vec<u8>| {
            let order = order.clone();
            (0..q as u8).filter(|piece| !order.contains(piece)).collect::<Vec<u8>>().into_iter().map(move |piece| {
                let mut order = order.clone();
                order.push(piece);
                order
            })
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Least and mean distance of all pairs.
    fn spread(orders: &[Vec<u8>]) -> (usize, f64) {
        let (mut least, mut sum, mut pairs) = (usize::MAX, 0, 0);
        for (i, a) in orders.iter().enumerate() {
            for b in &orders[..i] {
                let distance = a.iter().zip(b).filter(|(a, b)| a != b).count();
                least = least.min(distance);
                sum += distance;
                pairs += 1;
            }
        }
        (least, sum as f64 / f64::from(pairs))
    }

    #[test]
    fn twenty_orders_of_five_pieces_are_the_published_ones() {
        let orders = permutations(5, 20);
        assert_eq!(orders[..3], [vec![0, 1, 2, 3, 4], vec![1, 0, 3, 4, 2], vec![2, 3, 4, 0, 1]]);
        let (least, mean) = spread(&orders);
        assert!(least == 3 && (mean - 4.2).abs() < 1e-12, "{least} {mean}");
    }

    #[test]
    fn sixty_four_orders_of_eight_pieces_are_the_published_ones() {
        let orders = permutations(8, 64);
        assert_eq!(orders[1], [1, 0, 3, 2, 5, 4, 7, 6]);
        let (least, mean) = spread(&orders);
        assert!(least == 6 && (mean - 7.1111).abs() < 1e-4, "{least} {mean}");
    }

    #[test]
    fn no_order_comes_twice_and_there_are_never_more_than_exist() {
        assert_eq!(permutations(2, 20), [vec![0, 1], vec![1, 0]]);
        let mut orders = permutations(4, 24);
        orders.sort();
        orders.dedup();
        assert_eq!(orders.len(), 24);
    }
}
