#!/bin/sh
# The life of a model by SageMaker's API, with awscli: upload, register, approve, deploy, invoke, update, scale, delete.
#
#   eval "$(bin/penstock env)"
#   sh examples/sagemaker/awscli/lifecycle.sh
#
# The first line sets AWS_ENDPOINT_URL, a key and a region; without AWS_ENDPOINT_URL the same script talks to AWS.
# awscli 1 or 2; AWSCLI is how to call it, `aws` unless set. On AWS set EXAMPLE_BUCKET and EXAMPLE_ROLE.
set -eu

aws() { command ${AWSCLI:-aws} "$@"; }

catalogue=$(dirname "$0")/../../../assets/catalogue
name=example-digits-cli
bucket=${EXAMPLE_BUCKET:-example-digits-cli}
image=785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:24.09-py3
account=$(aws sts get-caller-identity --query Account --output text)
role=${EXAMPLE_ROLE:-arn:aws:iam::$account:role/example}
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# A model repository of Triton in a tar.gz, as SageMaker wants it.
archive() {
  mkdir -p "$folder/digits/1" "$folder/upload"
  cp "$catalogue/$1.onnx" "$folder/digits/1/model.onnx"
  tar -czf "$folder/upload/$1.tar.gz" -C "$folder" digits
}

# Prints the ARN of the version.
register() {
  container="Image=$image,ModelDataUrl=s3://$bucket/$1.tar.gz,Environment={SAGEMAKER_TRITON_DEFAULT_MODEL_NAME=digits}"
  aws sagemaker create-model-package --model-package-group-name "$name" --model-package-description "$1" \
    --model-approval-status "$2" \
    --inference-specification "Containers=[{$container}],SupportedContentTypes=application/json,SupportedResponseMIMETypes=application/json" \
    --query ModelPackageArn --output text
}

# A Model and an endpoint config for a version, of the same name.
deployable() {
  aws sagemaker create-model --model-name "$1" --execution-role-arn "$role" --containers "ModelPackageName=$2" >"$folder/model.json"
  aws sagemaker create-endpoint-config --endpoint-config-name "$1" --tags Key=penstock:objective,Value=p95=50ms --production-variants \
    "VariantName=main,ModelName=$1,InitialInstanceCount=1,InstanceType=ml.c5.large" >"$folder/config.json"
}

# The first ten of the held-out digits, by the Open Inference Protocol.
predict() {
  data=$(tail -n +2 "$catalogue/digits_test.csv" | head -n 10 | cut -d , -f 1-64 | paste -s -d , -)
  printf '{"inputs":[{"name":"pixels","shape":[10,64],"datatype":"FP32","data":[%s]}],"outputs":[{"name":"label"}]}' "$data" >"$folder/body.json"
  aws sagemaker-runtime invoke-endpoint --endpoint-name "$name" --content-type application/json \
    --body "fileb://$folder/body.json" "$folder/answer.json" --query InvokedProductionVariant --output text
  sed 's/.*"data":\[\([0-9,]*\)\].*/\1/' "$folder/answer.json"
  echo
}

for model in digits_logreg digits_mlp digits_cnn; do archive $model; done
aws s3api create-bucket --bucket "$bucket" >"$folder/bucket.json"
aws s3 cp --only-show-errors --recursive "$folder/upload" "s3://$bucket"
aws sagemaker create-model-package-group --model-package-group-name "$name" >"$folder/group.json"
first=$(register digits_logreg Approved)
second=$(register digits_mlp PendingManualApproval)
third=$(register digits_cnn Rejected)
aws sagemaker update-model-package --model-package-arn "$second" --model-approval-status Approved >"$folder/approved.json"
aws sagemaker list-model-packages --model-package-group-name "$name" --sort-by CreationTime --sort-order Ascending \
  --query 'ModelPackageSummaryList[].[ModelPackageVersion, ModelPackageDescription, ModelApprovalStatus]' --output text

deployable "$name-1" "$first"
aws sagemaker create-endpoint --endpoint-name "$name" --endpoint-config-name "$name-1" >"$folder/endpoint.json"
aws sagemaker wait endpoint-in-service --endpoint-name "$name"
predict

deployable "$name-2" "$second"
aws sagemaker update-endpoint --endpoint-name "$name" --endpoint-config-name "$name-2" >"$folder/endpoint.json"
aws sagemaker wait endpoint-in-service --endpoint-name "$name"
predict

aws sagemaker update-endpoint-weights-and-capacities --endpoint-name "$name" \
  --desired-weights-and-capacities VariantName=main,DesiredInstanceCount=2 >"$folder/endpoint.json"
aws sagemaker wait endpoint-in-service --endpoint-name "$name"
aws sagemaker describe-endpoint --endpoint-name "$name" --output text \
  --query '[EndpointStatus, EndpointConfigName, ProductionVariants[0].VariantName, ProductionVariants[0].CurrentInstanceCount]'

variant="--service-namespace sagemaker --resource-id endpoint/$name/variant/main --scalable-dimension sagemaker:variant:DesiredInstanceCount"
aws application-autoscaling register-scalable-target $variant --min-capacity 1 --max-capacity 3 >"$folder/target.json"
aws application-autoscaling put-scaling-policy $variant --policy-name calls --policy-type TargetTrackingScaling \
  --target-tracking-scaling-policy-configuration \
  'TargetValue=1000,PredefinedMetricSpecification={PredefinedMetricType=SageMakerVariantInvocationsPerInstance}' >"$folder/policy.json"
aws application-autoscaling describe-scaling-policies --service-namespace sagemaker --resource-id "endpoint/$name/variant/main" \
  --query 'ScalingPolicies[].[PolicyName, PolicyType]' --output text
aws application-autoscaling deregister-scalable-target $variant

aws sagemaker delete-endpoint --endpoint-name "$name"
aws sagemaker wait endpoint-deleted --endpoint-name "$name"
for version in 1 2; do
  aws sagemaker delete-endpoint-config --endpoint-config-name "$name-$version"
  aws sagemaker delete-model --model-name "$name-$version"
done
for version in "$first" "$second" "$third"; do aws sagemaker delete-model-package --model-package-name "$version"; done
aws sagemaker delete-model-package-group --model-package-group-name "$name"
aws s3 rb --force "s3://$bucket" >"$folder/bucket.txt"
aws sagemaker list-endpoints --name-contains "$name" --query 'length(Endpoints)'
