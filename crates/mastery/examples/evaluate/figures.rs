//! How well predicted probabilities fit what happened.

use crate::auc::auc;

/// A prediction, and whether the answer was right.
pub type Scored = (f64, bool);

/// AUC, mean log loss in nats, and calibration error.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    pub auc: f64,
    pub loss: f64,
    pub calibration: f64,
}

impl Fit {
    pub fn of(scored: &[Scored]) -> Self {
        let count = scored.len() as f64;
        let loss = |&(p, right): &Scored| -(if right { p } else { 1.0 - p }).max(1e-15).ln();
        Self {
            auc: auc(scored.iter().copied()).unwrap_or(f64::NAN),
            loss: scored.iter().map(loss).sum::<f64>() / count,
            calibration: bins(scored).iter().map(|bin| bin.distance()).sum::<f64>() / count,
        }
    }

    pub fn line(&self) -> String {
        format!("{:.4}  {:.4}  {:.4}", self.auc, self.loss, self.calibration)
    }
}

/// A tenth of 0..1, and the predictions in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bin {
    pub answers: f64,
    predicted: f64,
    right: f64,
}

impl Bin {
    fn distance(&self) -> f64 {
        (self.predicted - self.right).abs()
    }

    /// The mean prediction and the share of right answers.
    pub fn means(&self) -> (f64, f64) {
        (self.predicted / self.answers, self.right / self.answers)
    }
}

/// Ten bins of equal width. The expected calibration error is the mean distance of prediction and
/// share of right answers over the bins, weighted by their answers.
pub fn bins(scored: &[Scored]) -> [Bin; 10] {
    let mut bins = [Bin::default(); 10];
    for (p, right) in scored {
        if let Some(bin) = bins.get_mut(((p * 10.0) as usize).min(9)) {
            bin.answers += 1.0;
            bin.predicted += p;
            bin.right += f64::from(u8::from(*right));
        }
    }
    bins
}

/// The bins as a table.
pub fn calibration(scored: &[Scored]) -> String {
    let mut table = String::from("predicted   answers   mean    right\n");
    for (place, bin) in bins(scored).iter().enumerate().filter(|(_, bin)| bin.answers > 0.0) {
        let (from, (mean, right)) = (place as f64 / 10.0, bin.means());
        table += &format!(
            "{from:.1} to {:.1}  {:>7}   {mean:.3}   {right:.3}\n",
            from + 0.1,
            bin.answers
        );
    }
    table
}
