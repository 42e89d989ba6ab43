export { type RecognitionOptions, recogniseModel } from './recognise-model.ts';
export type { PythonImports, RecognisedModel, RecognitionLimits } from './recognised-model.ts';
