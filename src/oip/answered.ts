/** Which models of a selection answered, in headers and parameters of a response. */
import { formatRowsByModel, type RowAnswers } from '../serving/index.ts';

/** Names and values, alternating; empty if the endpoint serves one model. */
export function answeredHeaders(answered: RowAnswers | undefined): readonly string[] {
  return answered === undefined ? [] : ['x-penstock-model', formatRowsByModel(answered), 'x-penstock-plan', answered.rung.name];
}

/** By row: the model that answered, as a position in `models`, and how sure the first model was; null without scores. */
export function explainParameters(answered: RowAnswers | undefined): Record<string, unknown> {
  if (answered === undefined) return {};
  const { rung, stage, confidence } = answered;
  return {
    plan: rung.name,
    models: rung.second === null ? [rung.first] : [rung.first, rung.second],
    answered_by: Array.from(stage, (each) => (each === 1 ? 1 : 0)),
    confidence: Array.from(confidence, (each) => (Number.isNaN(each) ? null : each)),
  };
}
