export {
  type AwsCall,
  AwsError,
  type AwsOperation,
  type AwsPlace,
  type AwsService,
  type AwsStreamService,
  type VerifiedRequest,
} from './service.ts';
