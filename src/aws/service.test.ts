import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { awsOperation, awsOperations } from '../../test/aws-operations.ts';
import { permissionOf } from './service.ts';
import { shapesOf } from './shapes/shapes.ts';

/** The operations of each service that need more than the `read` permission. */
const acting = {
  sagemaker: {
    register:
      'CreateModelPackageGroup DeleteModelPackageGroup CreateModelPackage UpdateModelPackage DeleteModelPackage CreateModel DeleteModel ' +
      'AddTags DeleteTags',
    deploy:
      'CreateEndpointConfig DeleteEndpointConfig CreateEndpoint UpdateEndpoint UpdateEndpointWeightsAndCapacities DeleteEndpoint ' +
      'CreateTransformJob StopTransformJob CreateTrainingJob StopTrainingJob DeleteTrainingJob UpdateTrainingJob ' +
      'CreateProcessingJob StopProcessingJob DeleteProcessingJob ' +
      'CreatePipeline UpdatePipeline DeletePipeline StartPipelineExecution StopPipelineExecution ' +
      'CreateHyperParameterTuningJob StopHyperParameterTuningJob DeleteHyperParameterTuningJob ' +
      'CreateInferenceRecommendationsJob StopInferenceRecommendationsJob',
  },
  'application-autoscaling': {
    deploy:
      'RegisterScalableTarget DeregisterScalableTarget PutScalingPolicy DeleteScalingPolicy PutScheduledAction DeleteScheduledAction ' +
      'TagResource UntagResource',
  },
  cloudwatch: {
    invoke: 'PutMetricData',
    deploy:
      'PutMetricAlarm SetAlarmState DeleteAlarms PutDashboard DeleteDashboards EnableAlarmActions DisableAlarmActions TagResource UntagResource',
  },
  logs: {
    invoke: 'PutLogEvents CreateLogStream',
    deploy: 'CreateLogGroup PutRetentionPolicy DeleteLogGroup DeleteLogStream DeleteRetentionPolicy TagResource UntagResource',
  },
  cloudtrail: { administer: 'LookupEvents' },
  events: { invoke: 'PutEvents', deploy: 'PutRule DeleteRule PutTargets RemoveTargets EnableRule DisableRule' },
} as const;

describe('each operation needs its permission, and only reads need the weakest:', () => {
  for (const [name, byPermission] of Object.entries(acting)) {
    test(name, () => {
      const service = name as keyof typeof acting;
      const expected = Object.entries(byPermission).flatMap(([permission, names]) => names.split(' ').map((each) => [each, permission]));
      const listed = Object.keys(awsOperations[service] ?? {});
      const found = listed
        .map((operation) => [operation, permissionOf(awsOperation(service, operation), {})])
        .filter(([, permission]) => permission !== 'read');
      assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
      const known = shapesOf(service).operationNames();
      assert.deepEqual(
        listed.filter((operation) => !known.includes(operation)),
        [],
        'AWS defines these operations',
      );
    });
  }
});

test('approving, rejecting or explaining an approval needs the permission, whichever operation does it', () => {
  for (const [operation, input, permission] of [
    ['CreateModelPackage', { ModelApprovalStatus: 'PendingManualApproval' }, 'register'],
    ['CreateModelPackage', { ModelApprovalStatus: 'Approved' }, 'approve'],
    ['CreateModelPackage', { ModelApprovalStatus: 'Rejected' }, 'approve'],
    ['UpdateModelPackage', { ModelPackageDescription: 'x' }, 'register'],
    ['UpdateModelPackage', { ApprovalDescription: 'x' }, 'approve'],
    ['UpdateModelPackage', { ModelApprovalStatus: 'Rejected' }, 'approve'],
    ['UpdateModelPackage', { ModelApprovalStatus: null }, 'approve'],
  ] as const) {
    assert.equal(permissionOf(awsOperation('sagemaker', operation), input), permission, `${operation} ${JSON.stringify(input)}`);
  }
});
