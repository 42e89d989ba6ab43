/** Models that XGBoost saved as JSON or UBJSON: number and names of the features, and the objective, are members of it. */
import { PlatformError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import { readJsonMembers, type WantedMembers } from './json-members.ts';
import { printable } from './printable.ts';
import type { RecognisedModel, RecognitionLimits } from './recognised-model.ts';
import { readUbjsonMembers } from './ubjson-members.ts';

const xgboostMembers: WantedMembers = {
  inside: new Set(['', 'learner', 'learner.objective']),
  wanted: new Set(['learner.learner_model_param', 'learner.feature_names', 'learner.feature_types', 'learner.objective.name', 'version']),
};

const featuresMax = 1_000_000;

/** Null if the file is not a model of XGBoost. Throws `invalid_request` if it is malformed. */
export async function recogniseXgboost(
  path: string,
  format: 'json' | 'ubjson',
  { bytesMax }: RecognitionLimits,
): Promise<RecognisedModel | null> {
  const reader = ByteReader.ofFile(path, 'none', bytesMax);
  try {
    return xgboostModel(await (format === 'json' ? readJsonMembers : readUbjsonMembers)(reader, xgboostMembers));
  } finally {
    await reader.close();
  }
}

/** From the members of the model; null if it has no parameters of a learner. */
function xgboostModel(members: ReadonlyMap<string, unknown>): RecognisedModel | null {
  const parameters = members.get('learner.learner_model_param');
  if (typeof parameters !== 'object' || parameters === null) return null;
  const features = Number((parameters as Readonly<Record<string, unknown>>)['num_feature']);
  if (!Number.isSafeInteger(features) || features < 0 || features > featuresMax) {
    throw new PlatformError(
      'invalid_request',
      'the XGBoost model is damaged: num_feature is not a number of features. Save it again with save_model()',
    );
  }
  const names = members.get('learner.feature_names');
  const columns = Array.isArray(names) && names.length === features && names.every((name) => typeof name === 'string') ? names : null;
  const objective = members.get('learner.objective.name');
  const version = members.get('version');
  const madeWith = Array.isArray(version) && version.every(Number.isSafeInteger) ? version.slice(0, 3).join('.') : null;
  return {
    flavour: 'xgboost',
    entry: '',
    form: 'tensors',
    imports: null,
    libraries: ['xgboost'],
    madeWith: madeWith === null ? {} : { xgboost: madeWith },
    ...(features === 0 ? {} : { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, features] }] }),
    ...(columns === null || columns.length === 0 ? {} : { columns }),
    notes: [
      ...(typeof objective === 'string' ? [`objective ${printable(objective)}`] : []),
      ...(madeWith === null ? [] : [`made with xgboost ${madeWith}`]),
    ],
  };
}
