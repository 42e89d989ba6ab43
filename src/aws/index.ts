export { cloudtrailService } from './cloudtrail/cloudtrail-service.ts';
export { type CloudWatchOptions, cloudWatchService } from './cloudwatch/cloudwatch-service.ts';
export { AwsDoor, type AwsDoorLimits, type AwsDoorOptions } from './door.ts';
export { envelopesOf } from './events/envelope.ts';
export { eventsService, ruleArn } from './events/events-service.ts';
export { targetAsServed } from './events/targets.ts';
export { thingsOf } from './events/things.ts';
export { logGroupOfArn } from './logs/log-arn.ts';
export { logsService } from './logs/logs-service.ts';
export type { AsyncDoor } from './runtime/async-invocation.ts';
export { BodyInvocations } from './runtime/body-invocation.ts';
export { decodeBody } from './runtime/decode-body.ts';
export { Runtime, type RuntimeOptions } from './runtime/runtime.ts';
export { ModelBucket } from './s3/model-bucket.ts';
export { S3Service } from './s3/s3-service.ts';
export { S3Store } from './s3/store.ts';
export { AsyncConfigs } from './sagemaker/async-config.ts';
export { samplePayloadUrl } from './sagemaker/sample-payload.ts';
export { sagemakerService } from './sagemaker/service.ts';
export { ApplicationAutoScaling, type ApplicationAutoScalingOptions } from './scaling/scaling-service.ts';
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
