import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { shapesOf } from '../shapes/shapes.ts';
import { permissionOf } from './permissions.ts';

/** What every operation takes that does more than look. */
const acting = {
  sagemaker: {
    register:
      'CreateModelPackageGroup DeleteModelPackageGroup CreateModelPackage UpdateModelPackage DeleteModelPackage CreateModel DeleteModel ' +
      'AddTags DeleteTags CreateModelCard UpdateModelCard DeleteModelCard',
    deploy:
      'CreateEndpointConfig DeleteEndpointConfig CreateEndpoint UpdateEndpoint UpdateEndpointWeightsAndCapacities DeleteEndpoint ' +
      'CreateTransformJob StopTransformJob CreateInferenceRecommendationsJob StopInferenceRecommendationsJob ' +
      'CreateInferenceComponent UpdateInferenceComponent UpdateInferenceComponentRuntimeConfig DeleteInferenceComponent',
  },
  'application-autoscaling': {
    deploy:
      'RegisterScalableTarget DeregisterScalableTarget PutScalingPolicy DeleteScalingPolicy PutScheduledAction DeleteScheduledAction ' +
      'TagResource UntagResource',
  },
  cloudwatch: {
    invoke: 'PutMetricData',
    deploy: 'PutMetricAlarm SetAlarmState DeleteAlarms PutDashboard DeleteDashboards EnableAlarmActions DisableAlarmActions',
  },
  logs: {
    invoke: 'PutLogEvents CreateLogStream',
    deploy: 'CreateLogGroup PutRetentionPolicy DeleteLogGroup DeleteLogStream DeleteRetentionPolicy',
  },
  cloudtrail: { administer: 'LookupEvents' },
  events: { invoke: 'PutEvents', deploy: 'PutRule DeleteRule PutTargets RemoveTargets EnableRule DisableRule' },
} as const;

describe('an operation takes its right, and only those that look take the weakest:', () => {
  for (const [name, byPermission] of Object.entries(acting)) {
    test(name, () => {
      const service = name as keyof typeof acting;
      const expected = Object.entries(byPermission).flatMap(([permission, names]) => names.split(' ').map((each) => [each, permission]));
      const found = shapesOf(service)
        .operationNames()
        .map((operation) => [operation, permissionOf(service, operation, {})])
        .filter(([, permission]) => permission !== 'read');
      assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
    });
  }
});

test('who approves must be allowed to, whichever call it is done by', () => {
  for (const [operation, input, permission] of [
    ['CreateModelPackage', { ModelApprovalStatus: 'PendingManualApproval' }, 'register'],
    ['CreateModelPackage', { ModelApprovalStatus: 'Approved' }, 'approve'],
    ['UpdateModelPackage', { ApprovalDescription: 'x' }, 'register'],
    ['UpdateModelPackage', { ModelApprovalStatus: 'Rejected' }, 'approve'],
    ['UpdateModelPackage', { ModelApprovalStatus: null }, 'approve'],
    ['CreateModelCard', { ModelCardStatus: 'Draft' }, 'register'],
    ['UpdateModelCard', { ModelCardStatus: 'Approved' }, 'approve'],
  ] as const) {
    assert.equal(permissionOf('sagemaker', operation, input), permission, `${operation} ${JSON.stringify(input)}`);
  }
});

test('what nobody has thought of takes more than looking', () => {
  assert.equal(permissionOf('sagemaker', 'RenameEverything', {}), 'deploy');
});
