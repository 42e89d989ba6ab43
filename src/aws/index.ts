export { cloudtrailService } from './cloudtrail/cloudtrail-service.ts';
export { type CloudWatchOptions, cloudWatchService } from './cloudwatch/cloudwatch-service.ts';
export { envelopesOf } from './events/envelope.ts';
export { eventsService, ruleArn } from './events/events-service.ts';
export { type AlertDeps, eventEnvelopes, openAlerts } from './events/open-alerts.ts';
export { resourceReader } from './events/resource-reader.ts';
export { RuleSchedules } from './events/rule-schedules.ts';
export { deliverableTarget } from './events/targets.ts';
export { iamService } from './identity/iam.ts';
export { stsService } from './identity/sts.ts';
export { logGroupOfArn } from './logs/log-arn.ts';
export { logsService } from './logs/logs-service.ts';
export { openMultiModels } from './multi-model/open-multi-models.ts';
export { TargetModels, type TargetModelsView } from './multi-model/target-models.ts';
export { deliversTo, openAws } from './open-router.ts';
export { AwsRouter, type AwsRouterLimits, type AwsRouterOptions } from './router.ts';
export type { AsyncHandler } from './runtime/async-invocation.ts';
export { BodyInvocations } from './runtime/body-invocation.ts';
export { openCapture } from './runtime/capture/open-capture.ts';
export { ShadowCopies } from './runtime/capture/shadow-copies.ts';
export { decodeBodySomewhere } from './runtime/decode-body.ts';
export { openAsync } from './runtime/open-async.ts';
export { Runtime, type RuntimeOptions } from './runtime/runtime.ts';
export { EvaluationBucket, evaluationBucketName } from './s3/buckets/evaluation-bucket.ts';
export { ModelBucket } from './s3/buckets/model-bucket.ts';
export { openBuckets } from './s3/buckets/open-buckets.ts';
export { S3Store } from './s3/objects/store.ts';
export { S3Service } from './s3/s3-service.ts';
export { AsyncConfigs } from './sagemaker/endpoints/async-config.ts';
export { registrationSample } from './sagemaker/models/registration-sample.ts';
export { readSamplePayload, samplePayloadUrl } from './sagemaker/models/sample-payload.ts';
export { openSageMaker } from './sagemaker/open-sagemaker.ts';
export { sagemakerService } from './sagemaker/service.ts';
export { openAutoScaling } from './scaling/open-auto-scaling.ts';
export { ApplicationAutoScaling, type ApplicationAutoScalingOptions } from './scaling/scaling-service.ts';
export {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsService,
  type AwsStreamService,
  type OperationRun,
  type VerifiedRequest,
} from './service.ts';
