export { Deployments, type DeploymentsOptions } from './deployments.ts';
export {
  type BatchPolicy,
  type EndpointChange,
  type EndpointConfig,
  type FunctionsConfig,
  functionsDefault,
  instanceTypeDefault,
  timeoutMsDefault,
  type VariantConfig,
  variantNameDefault,
} from './endpoint-config.ts';
export type { EndpointView, VariantView } from './endpoint-view.ts';
export type { ServedEndpoint, ServedWorker, ServingDoor } from './serving-door.ts';
export type { EndpointStatus } from './status.ts';
