"""What is measured beyond a step's sums: EVALUATORS maps a name in `config.eval.evaluators` to an Evaluator."""
