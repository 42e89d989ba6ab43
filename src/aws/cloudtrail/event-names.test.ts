import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { thingOf } from '../../monitoring/index.ts';
import { shapesOf } from '../shapes/shapes.ts';
import { permissionOf } from '../wire/permissions.ts';
import { eventSourceOf, isReadOnly, resourceTypeOf } from './event-names.ts';

describe('what is done here', () => {
  for (const [action, source, type] of [
    ['CreateEndpoint', 'sagemaker', 'AWS::SageMaker::Endpoint'],
    ['CreateEndpointConfig', 'sagemaker', 'AWS::SageMaker::EndpointConfig'],
    ['CreateModelPackageGroup', 'sagemaker', 'AWS::SageMaker::ModelPackageGroup'],
    ['SetApproval', 'sagemaker', 'AWS::SageMaker::ModelPackage'],
    ['SetBaseline', 'sagemaker', 'AWS::SageMaker::Endpoint'],
    ['CreateTransformJob', 'sagemaker', 'AWS::SageMaker::TransformJob'],
    ['CreateLogGroup', 'logs', 'AWS::Logs::LogGroup'],
    ['PutRule', 'events', 'AWS::Events::Rule'],
    ['PutMetricAlarm', 'monitoring', 'AWS::CloudWatch::Alarm'],
    ['CreateBucket', 's3', 'AWS::S3::Bucket'],
    ['RegisterScalableTarget', 'autoscaling', 'AWS::ApplicationAutoScaling::ScalableTarget'],
    ['CreateKey', 'iam', 'AWS::IAM::AccessKey'],
    ['SignIn', 'signin', 'AWS::IAM::AccessKey'],
  ] as const) {
    test(`${action} is ${source}'s, and about ${type}`, () => {
      assert.deepEqual([eventSourceOf({ action, detail: {} }), resourceTypeOf(action)], [`${source}.amazonaws.com`, type]);
    });
  }

  test('is known whatever of it an AWS client asks for', () => {
    const services = ['sagemaker', 'application-autoscaling', 'cloudwatch', 'logs', 'events', 'cloudtrail'] as const;
    const unknown = services.flatMap((service) =>
      shapesOf(service)
        .operationNames()
        .filter((name) => !['read', 'invoke'].includes(permissionOf(service, name, {})) && thingOf(name) === null),
    );
    assert.deepEqual(unknown, []);
  });
});

test('what only looks is the service that was asked', () => {
  assert.equal(eventSourceOf({ action: 'DescribeAlarms', detail: { service: 'cloudwatch' } }), 'monitoring.amazonaws.com');
  assert.equal(eventSourceOf({ action: 'DescribeAlarms', detail: { service: 'toString' } }), 'sagemaker.amazonaws.com');
  assert.deepEqual(['DescribeAlarms', 'ListAudit', 'PutRule', 'SignIn'].map(isReadOnly), [true, true, false, false]);
});
