//! The mastery bolt: a learner's grasp of each concept, with its uncertainty.
