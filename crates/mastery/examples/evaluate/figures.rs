//! How well predicted probabilities fit what happened.

use crate::auc::auc;

/// A prediction, and whether the answer was right.
pub type Scored = (f64, bool);

/// One line: AUC, share of answers on the predicted side of one half, root mean squared error,
/// mean log loss in nats.
pub fn line(scored: &[Scored]) -> String {
    let count = scored.len() as f64;
    let mean = |of: fn(&Scored) -> f64| scored.iter().map(of).sum::<f64>() / count;
    let accuracy = mean(|&(p, right)| number((p >= 0.5) == right));
    let squared = mean(|&(p, right)| (p - number(right)).powi(2));
    let loss = mean(|&(p, right)| -(if right { p } else { 1.0 - p }).max(1e-15).ln());
    let auc = auc(scored.iter().copied()).unwrap_or(f64::NAN);
    format!("{auc:.4}  {accuracy:.4}  {:.4}  {loss:.4}", squared.sqrt())
}

/// Ten bins of the predicted probability: count, mean prediction, share of right answers; and the
/// mean distance of the last two, weighted by the counts (expected calibration error).
pub fn calibration(scored: &[Scored]) -> String {
    let mut table = String::from("predicted   answers   mean    right\n");
    let mut error = 0.0;
    for bin in 0..10 {
        let inside = |p: f64| ((p * 10.0) as usize).min(9) == bin;
        let members: Vec<Scored> = scored.iter().copied().filter(|(p, _)| inside(*p)).collect();
        if members.is_empty() {
            continue;
        }
        let count = members.len() as f64;
        let mean = members.iter().map(|(p, _)| p).sum::<f64>() / count;
        let right = members.iter().map(|(_, right)| number(*right)).sum::<f64>() / count;
        error += (mean - right).abs() * count / scored.len() as f64;
        let (from, to) = (bin as f64 / 10.0, (bin + 1) as f64 / 10.0);
        table += &format!("{from:.1} to {to:.1}  {count:>7}   {mean:.3}   {right:.3}\n");
    }
    table + &format!("expected calibration error {error:.4}")
}

/// Mean and standard deviation.
pub fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

fn number(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}
