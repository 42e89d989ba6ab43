/** A tuning job whose trials print the value of hyperparameter x as their loss. */
import { type NewTuningSpec, tuningDefaults } from '../src/training/index.ts';
import type { TrainingFixture } from './training-fixture.ts';

const readX = String.raw`x=$(sed 's/.*"x": *"\([^"]*\)".*/\1/' $ML/input/config/hyperparameters.json); echo "loss=$x"`;

/** `then` runs after the loss was printed. */
export function lossTuning(fixture: TrainingFixture, name: string, more: Partial<NewTuningSpec> = {}, then = 'true'): NewTuningSpec {
  return {
    ...tuningDefaults,
    name,
    strategy: 'Random',
    goal: 'Minimize',
    metric: 'loss',
    ranges: [{ kind: 'continuous', name: 'x', min: 0, max: 1, scaling: 'Linear' }],
    maxJobs: 4,
    maxParallel: 2,
    seed: 7,
    training: fixture.spec('', `${readX}; ${then}`, { metrics: [{ name: 'loss', regex: 'loss=([0-9.e-]+)' }] }),
    ...more,
  };
}
