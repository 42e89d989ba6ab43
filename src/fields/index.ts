export { captureFields } from './capture.ts';
export { endpointFields } from './endpoint.ts';
export {
  bodyOfFields,
  changesOf,
  checkFields,
  defaultsOf,
  type Field,
  type FieldBody,
  type FieldChanges,
  type FieldInput,
  type Fields,
  type FieldValues,
  merged,
  type OptionValues,
  optionText,
  type SnakeCase,
  snakeCase,
} from './field.ts';
export { batchSizeMaxMax, functionsFields } from './functions.ts';
export { scalingFields } from './scaling.ts';
export {
  instanceCountMax,
  instanceFields,
  instanceTypeDefault,
  modelFields,
  type VariantSettingChanges,
  variantFields,
} from './variant.ts';
