//! The area under the ROC curve.

/// The probability that a right answer was predicted higher than a wrong one, ties counting half
/// (Mann and Whitney 1947). `None` where all answers are right, or all wrong.
pub fn auc(predicted: impl IntoIterator<Item = (f64, bool)>) -> Option<f64> {
    let mut sorted: Vec<(f64, bool)> = predicted.into_iter().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut before, mut rights, mut rank_sum) = (0.0, 0.0, 0.0);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let right = ties.iter().filter(|(_, correct)| *correct).count() as f64;
        rank_sum += right * (before + (ties.len() as f64 + 1.0) / 2.0);
        rights += right;
        before += ties.len() as f64;
    }
    let wrongs = before - rights;
    let pairs = rights * wrongs;
    (pairs > 0.0).then(|| (rank_sum - rights * (rights + 1.0) / 2.0) / pairs)
}
