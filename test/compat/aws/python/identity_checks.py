"""Who one is, and what the wire does with those it does not know."""

import io
import os
import ssl
import urllib.error
import urllib.request

from checks import boto3, check, client, given, holds, refused, same


@check("the key has a name")
def _():
    same(client("sts").get_caller_identity()["Arn"], given["arn"])
    same(boto3.session.Session().region_name, given["region"])


@check("ARNs bear the account and the region of the server")
def _():
    arn = client("sagemaker").create_model_package_group(ModelPackageGroupName=f"g{os.getpid()}")["ModelPackageGroupArn"]
    holds(f":{given['region']}:{given['arn'].split(':')[4]}:model-package-group/g", arn)


@check("a key that nobody knows, and a secret that is another, are told apart")
def _():
    key = os.environ["AWS_ACCESS_KEY_ID"]

    def sagemaker(id, secret):
        return boto3.client("sagemaker", aws_access_key_id=id, aws_secret_access_key=secret)

    same(refused(sagemaker("AKIAAAAAAAAAAAAAAAAA", "x" * 40).list_models).code, "UnrecognizedClientException")
    same(refused(sagemaker(key, "x" * 40).list_models).code, "InvalidSignatureException")
    same(refused(boto3.client("sts", aws_access_key_id=key, aws_secret_access_key="x" * 40).get_caller_identity).code, "SignatureDoesNotMatch")
    same(refused(boto3.client("s3", aws_access_key_id="AKIAAAAAAAAAAAAAAAAA", aws_secret_access_key="x" * 40).list_buckets).code, "InvalidAccessKeyId")


@check("every rule that a call breaks is told at once")
def _():
    refusal = refused(client("sagemaker").create_model_package_group, ModelPackageGroupName="a b", ModelPackageGroupDescription="x" * 1025)
    same(refusal.code, "ValidationException")
    holds("2 validation errors detected: Value 'a b' at 'modelPackageGroupName' failed to satisfy constraint: ", refusal.message)
    holds("at 'modelPackageGroupDescription' failed to satisfy constraint: Member must have length less than or equal to 1024", refusal.message)


@check("services that are not served are refused, not retried")
def _():
    for service, call in [("dynamodb", "list_tables"), ("lambda", "list_functions"), ("ec2", "describe_instances"), ("iam", "list_roles")]:
        refusal = refused(getattr(client(service), call))
        same((refusal.status, refusal.code), (400, "UnknownOperationException"))


@check("a body goes up in chunks, with any checksum, and comes back")
def _():
    s3 = client("s3")
    bucket = f"chunks-{os.getpid()}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": given["region"]})
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        body = os.urandom(3_000_000)
        s3.put_object(Bucket=bucket, Key="a b/ü", Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
        same(s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read(), body)


@check("presigned URLs of both versions open one object, and nothing else")
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
                raise AssertionError(f"{other} was let in")
            except urllib.error.HTTPError as error:
                same(error.code, 403)
