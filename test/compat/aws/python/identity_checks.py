"""The caller's identity, and how unknown callers and services are rejected."""

import io
import os
import ssl
import urllib.error
import urllib.request

from checks import boto3, check, client, given, holds, rejected, same


@check("GetCallerIdentity returns the key's ARN")
def _():
    same(client("sts").get_caller_identity()["Arn"], given["arn"])
    same(boto3.session.Session().region_name, given["region"])


@check("ARNs contain the account and the region of the server")
def _():
    arn = client("sagemaker").create_model_package_group(ModelPackageGroupName=f"g{os.getpid()}")["ModelPackageGroupArn"]
    holds(f":{given['region']}:{given['arn'].split(':')[4]}:model-package-group/g", arn)


@check("an unknown key and a wrong secret have different errors")
def _():
    key = os.environ["AWS_ACCESS_KEY_ID"]

    def sagemaker(id, secret):
        return boto3.client("sagemaker", aws_access_key_id=id, aws_secret_access_key=secret)

    same(rejected(sagemaker("AKIAAAAAAAAAAAAAAAAA", "x" * 40).list_models).code, "UnrecognizedClientException")
    same(rejected(sagemaker(key, "x" * 40).list_models).code, "InvalidSignatureException")
    same(rejected(boto3.client("sts", aws_access_key_id=key, aws_secret_access_key="x" * 40).get_caller_identity).code, "SignatureDoesNotMatch")
    same(rejected(boto3.client("s3", aws_access_key_id="AKIAAAAAAAAAAAAAAAAA", aws_secret_access_key="x" * 40).list_buckets).code, "InvalidAccessKeyId")


@check("a role can be assumed, described and simulated; other calls of IAM are denied")
def _():
    account = given["arn"].split(":")[4]
    role = f"arn:aws:iam::{account}:role/service-role/trainer"
    answer = client("sts").assume_role(RoleArn=role, RoleSessionName="notebook", DurationSeconds=900)
    issued = answer["Credentials"]
    keys = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    assumed = boto3.session.Session(aws_session_token=issued["SessionToken"], region_name=given["region"], **keys)
    same(assumed.client("sts").get_caller_identity()["Arn"], answer["AssumedRoleUser"]["Arn"])
    same("Models" in assumed.client("sagemaker").list_models(), True)
    same("Buckets" in assumed.client("s3").list_buckets(), True)
    same(rejected(boto3.client("sts", **keys).get_caller_identity).code, "InvalidClientTokenId")
    iam = client("iam")
    trust = iam.get_role(RoleName="trainer")["Role"]["AssumeRolePolicyDocument"]
    same(trust["Statement"][0]["Principal"], {"Service": "sagemaker.amazonaws.com"})
    actions = ["sagemaker:CreateModel", "ecr:GetAuthorizationToken", "sagemaker:CreateNotebookInstance"]
    pages = iam.get_paginator("simulate_principal_policy").paginate(PolicySourceArn=role, ActionNames=actions)
    same([result["EvalDecision"] for page in pages for result in page["EvaluationResults"]], ["allowed", "allowed", "implicitDeny"])
    rejection = rejected(iam.list_roles)
    same((rejection.status, rejection.code), (403, "AccessDenied"))


@check("all violations of a call are reported together")
def _():
    rejection = rejected(client("sagemaker").create_model_package_group, ModelPackageGroupName="a b", ModelPackageGroupDescription="x" * 1025)
    same(rejection.code, "ValidationException")
    holds("2 validation errors detected: Value 'a b' at 'modelPackageGroupName' failed to satisfy constraint: ", rejection.message)
    holds("at 'modelPackageGroupDescription' failed to satisfy constraint: Member must have length less than or equal to 1024", rejection.message)


@check("unsupported services are rejected without a retry")
def _():
    for service, call in [("dynamodb", "list_tables"), ("lambda", "list_functions"), ("ec2", "describe_instances")]:
        rejection = rejected(getattr(client(service), call))
        same((rejection.status, rejection.code), (400, "UnknownOperationException"))


@check("a chunked upload with any checksum can be downloaded unchanged")
def _():
    s3 = client("s3")
    bucket = f"chunks-{os.getpid()}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": given["region"]})
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        body = os.urandom(3_000_000)
        s3.put_object(Bucket=bucket, Key="a b/ü", Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
        same(s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read(), body)


@check("presigned URLs of both versions give access to one object only")
def _():
    s3 = client("s3")
    bucket = f"signed-{os.getpid()}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": given["region"]})
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"hello")
    trust = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    for version in ["s3", "s3v4"]:
        signing = client("s3", signature_version=version)
        url = signing.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü"}, ExpiresIn=60)
        same(urllib.request.urlopen(url, context=trust).read(), b"hello")
        for other in [url.replace("a%20b", "a%20c"), url.replace(bucket, bucket + "x"), url + "&versionId=1"]:
            try:
                urllib.request.urlopen(other, context=trust)
                raise AssertionError(f"{other} was accepted")
            except urllib.error.HTTPError as error:
                same(error.code, 403)
