//! What is published of models that see a whole log many times before they predict.

/// Figures with their protocol and source. None of them was measured here.
pub const PUBLISHED: &str = "\
published AUC of offline models, for the distance; other protocols, so no row compares exactly
  DKT 0.86         ASSISTments 2009-10, the split of builder_answers, its test part, one training run
                   (Piech et al. 2015, arXiv:1506.05908). An answer with several skills is several
                   rows there, one behind the other: a model is shown what it then predicts. So is
                   every model in the table of that log above
  DKT 0.760        ASSISTments 2009-10 without such rows; 80 % of users for training with 5 folds,
  AKT 0.747        20 % for the test; the same figures for a log of exam practice, 500 users of EdNet:
  BKT 0.717        DKT 0.665, AKT 0.656, BKT 0.620 (leap-kt toolkit, model cards on Hugging Face:
                   LEAP-LAB-KUS/leap-kt-dkt-2015-06, -akt-2020-07, -bkt-1995)
  DKT 0.75         ASSISTments 2009-10, 278,868 answers of 3,241 users, items and skills
  Best-LR 0.77     (Gervet et al. 2020, README of theophilegervet/learner-performance-prediction)
  DKT 0.721-0.821  the range that papers report on ASSISTments 2009-10, by their protocols
                   (Liu et al. 2023, arXiv:2302.06881, abstract)
Nothing is published on the LKT log. pyKT's BKT, fitted offline: 0.7324 on LKT (5 folds over learners),
0.7519 on the test part of builder_answers (pyBKT 1.4.3, measured for this project).";
