import type { ChoiceInput } from './choice.ts';
import type { Promised } from './ground.ts';
import type { Ground } from './search.ts';
export function paperGround(ground: Ground, _input: ChoiceInput, _promised: Promised): Ground {
  return ground;
}
