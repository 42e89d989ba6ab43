import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { awsOperation, awsOperations } from '../../../test/aws-operations.ts';
import { resourceKindOf } from '../../records/index.ts';
import { permissionOf } from '../service.ts';
import { shapesOf } from '../shapes/shapes.ts';
import { actionsByEventName, errorCodeOf, eventNameOf, eventSourceOf, isReadOnly, resourceTypeOf } from './event-names.ts';

describe('an action and its AWS name', () => {
  for (const [action, source, type] of [
    ['CreateEndpoint', 'sagemaker', 'AWS::SageMaker::Endpoint'],
    ['CreateEndpointConfig', 'sagemaker', 'AWS::SageMaker::EndpointConfig'],
    ['CreateModelPackageGroup', 'sagemaker', 'AWS::SageMaker::ModelPackageGroup'],
    ['SetApproval', 'sagemaker', 'AWS::SageMaker::ModelPackage'],
    ['SetBaseline', 'sagemaker', 'AWS::SageMaker::Endpoint'],
    ['CreateTransformJob', 'sagemaker', 'AWS::SageMaker::TransformJob'],
    ['CreateTrainingJob', 'sagemaker', 'AWS::SageMaker::TrainingJob'],
    ['CreateLogGroup', 'logs', 'AWS::Logs::LogGroup'],
    ['PutRule', 'events', 'AWS::Events::Rule'],
    ['PutMetricAlarm', 'monitoring', 'AWS::CloudWatch::Alarm'],
    ['CreateBucket', 's3', 'AWS::S3::Bucket'],
    ['RegisterScalableTarget', 'autoscaling', 'AWS::ApplicationAutoScaling::ScalableTarget'],
    ['UpdateScaling', 'autoscaling', 'AWS::ApplicationAutoScaling::ScalableTarget'],
    ['UpdateModelGroup', 'sagemaker', 'AWS::SageMaker::ModelPackageGroup'],
    ['CreateKey', 'iam', 'AWS::IAM::AccessKey'],
    ['SignIn', 'signin', 'AWS::IAM::AccessKey'],
  ] as const) {
    test(`${action} belongs to ${source} and has the type ${type}`, () => {
      const record = { action, detail: {}, origin: null };
      assert.deepEqual([eventSourceOf(record), resourceTypeOf(record)], [`${source}.amazonaws.com`, type]);
    });
  }

  test('an AWS operation has a source even if it is rejected', () => {
    const services = ['sagemaker', 'application-autoscaling', 'cloudwatch', 'logs', 'events', 'cloudtrail'] as const;
    const unknown = services.flatMap((service) =>
      shapesOf(service)
        .operationNames()
        .filter((name) => Object.hasOwn(awsOperations[service] ?? {}, name))
        .filter(
          (name) => !['read', 'invoke', null].includes(permissionOf(awsOperation(service, name), {})) && resourceKindOf(name) === null,
        ),
    );
    assert.deepEqual(unknown, []);
  });
});

test('a read belongs to the service that was called', () => {
  const looked = { action: 'DescribeAlarms', origin: null };
  assert.equal(eventSourceOf({ ...looked, detail: { service: 'cloudwatch' } }), 'monitoring.amazonaws.com');
  assert.equal(eventSourceOf({ ...looked, detail: { service: 'toString' } }), 'sagemaker.amazonaws.com');
  assert.deepEqual(['DescribeAlarms', 'LookupEvents', 'PutRule', 'ConsoleLogin'].map(isReadOnly), [true, true, false, false]);
});

describe('an action has its AWS name, whichever API performed it:', () => {
  for (const [action, operation, name] of [
    ['CreateModelGroup', undefined, 'CreateModelPackageGroup'],
    ['DeleteModelGroup', 'DeleteModelPackageGroup', 'DeleteModelPackageGroup'],
    ['RegisterModelVersion', undefined, 'CreateModelPackage'],
    ['SetApproval', undefined, 'UpdateModelPackage'],
    ['UpdateModelVersion', undefined, 'UpdateModelPackage'],
    ['UpdateModelVersion', 'DeleteTags', 'DeleteTags'],
    ['UpdateModelGroup', 'DeleteTags', 'DeleteTags'],
    ['UpdateModelGroup', undefined, 'AddTags'],
    ['DeleteModelVersion', undefined, 'DeleteModelPackage'],
    ['UpdateScaling', undefined, 'RegisterScalableTarget'],
    ['UpdateScaling', 'PutScalingPolicy', 'PutScalingPolicy'],
    ['UpdateEndpoint', 'UpdateEndpointWeightsAndCapacities', 'UpdateEndpointWeightsAndCapacities'],
    ['UpdateEndpoint', undefined, 'UpdateEndpoint'],
    ['SignIn', undefined, 'ConsoleLogin'],
    ['CreateKey', undefined, 'CreateAccessKey'],
    ['RollBackEndpoint', undefined, 'RollBackEndpoint'],
    ['CreateModelPackageGroup', 'CreateModelPackageGroup', 'CreateModelPackageGroup'],
  ] as const) {
    test(`${action}${operation === undefined ? '' : ` by ${operation}`} is ${name}, and can be looked up by it`, () => {
      const from = { protocol: 'aws', remoteAddress: '', userAgent: '', requestId: '' };
      const origin = operation === undefined ? null : { ...from, operation };
      assert.equal(eventNameOf({ action, origin }), name);
      assert(actionsByEventName(name).includes(action));
    });
  }
});

describe('a rejection has the error code that clients of the service receive:', () => {
  for (const [action, outcome, detail, code] of [
    ['CreateModelGroup', 'ok', {}, null],
    ['CreateModelGroup', 'already_exists', {}, 'ValidationException'],
    ['CreateModelPackageGroup', 'forbidden', { service: 'sagemaker' }, 'AccessDeniedException'],
    ['DeleteModelPackageGroup', 'wrong_state', { code: 'ConflictException' }, 'ConflictException'],
    ['CreateEndpoint', 'unauthenticated', { code: 'signature-mismatch' }, 'InvalidSignatureException'],
    ['CreateEndpoint', 'unauthenticated', {}, 'UnrecognizedClientException'],
    ['CreateBucket', 'unauthenticated', { service: 's3', code: 'unknown-access-key' }, 'InvalidAccessKeyId'],
    ['UpdateScaling', 'not_found', {}, 'ObjectNotFoundException'],
    ['DeleteLogGroup', 'not_found', {}, 'ResourceNotFoundException'],
    ['CreateKey', 'forbidden', {}, 'AccessDenied'],
    ['DescribeAlarms', 'toString', { service: 'cloudwatch' }, 'toString'],
  ] as const) {
    test(`${action}, ${outcome} ${JSON.stringify(detail)}: ${code}`, () => {
      assert.equal(errorCodeOf({ action, outcome, detail, origin: null }), code);
    });
  }
});
