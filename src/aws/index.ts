export { AwsDoor, type AwsDoorLimits, type AwsDoorOptions } from './door.ts';
export {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsOperation,
  type AwsPlace,
  type AwsService,
  type AwsStreamService,
  type VerifiedRequest,
} from './service.ts';
export { stsService } from './sts.ts';
