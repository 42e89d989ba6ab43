"""S3 as boto3 calls it. `given["big"]` is the path of a file of about 20 MB."""

import hashlib
import io
import urllib.error
import urllib.request

from boto3.s3.transfer import TransferConfig
from checks import check, client, given, holds, rejected, same

s3 = client("s3")
bucket = "python-" + given["suffix"]
odd_keys = ["a b+ü(1)'~.txt", "../../etc/passwd", "//", "emoji 🌊", "percent%20", "tab\there", "a&b<c>\"d'", "\x01control"]


@check("a bucket is created, found and listed")
def _():
    s3.create_bucket(Bucket=bucket)
    s3.head_bucket(Bucket=bucket)
    assert bucket in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    same(s3.get_bucket_location(Bucket=bucket)["LocationConstraint"], None)
    same(rejected(s3.create_bucket, Bucket=bucket).code, "BucketAlreadyOwnedByYou")


@check("settings of a bucket are stored, and those not set are reported as on AWS")
def _():
    for call, code in [
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_policy_status, "NoSuchBucketPolicy"),
        (s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError"),
        (s3.get_bucket_ownership_controls, "OwnershipControlsNotFoundError"),
        (s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration"),
        (s3.get_bucket_tagging, "NoSuchTagSet"),
    ]:
        same(rejected(call, Bucket=bucket).code, code)
    same("Status" in s3.get_bucket_versioning(Bucket=bucket), False)
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption)
    same(s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"], encryption)
    ownership = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership)
    same(s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"], ownership)
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    same(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"], block)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "größer"}]})
    same(s3.get_bucket_tagging(Bucket=bucket)["TagSet"], [{"Key": "team", "Value": "größer"}])
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    same(s3.get_bucket_versioning(Bucket=bucket)["Status"], "Suspended")
    enabled = rejected(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    holds("expected the Status Suspended", enabled.message)
    for call in [s3.delete_bucket_encryption, s3.delete_bucket_ownership_controls, s3.delete_public_access_block, s3.delete_bucket_tagging]:
        call(Bucket=bucket)
    same(rejected(s3.get_bucket_tagging, Bucket=bucket).code, "NoSuchTagSet")


@check("an absent bucket is reported as the SageMaker SDK expects")
def _():
    rejection = rejected(s3.head_bucket, Bucket="no-such-bucket")
    same((rejection.status, rejection.code), (404, "404"))


@check("an object is returned with all of its headers")
def _():
    put = s3.put_object(
        Bucket=bucket,
        Key="stored",
        Body=b"hello",
        ContentType="text/plain",
        CacheControl="max-age=5",
        ContentDisposition='attachment; filename="x"',
        ContentLanguage="de",
        ContentEncoding="identity",
        Metadata={"made": "by hand"},
    )
    same(put["ETag"], '"5d41402abc4b2a76b9719d911017c592"')
    got = s3.get_object(Bucket=bucket, Key="stored")
    same(got["Body"].read(), b"hello")
    same(got["ChecksumCRC32"], "NhCmhg==")
    same((got["ContentType"], got["CacheControl"], got["ContentLanguage"]), ("text/plain", "max-age=5", "de"))
    same((got["ContentDisposition"], got["ContentEncoding"]), ('attachment; filename="x"', "identity"))
    same(got["Metadata"], {"made": "by hand"})
    head = s3.head_object(Bucket=bucket, Key="stored")
    same((head["ContentLength"], head["ETag"], head["Metadata"]), (5, put["ETag"], {"made": "by hand"}))


@check("every operation accepts any key")
def _():
    for key in odd_keys:
        s3.put_object(Bucket=bucket, Key="odd/" + key, Body=key.encode())
        same(s3.get_object(Bucket=bucket, Key="odd/" + key)["Body"].read(), key.encode())
    listed = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="odd/")["Contents"]]
    same(listed, sorted("odd/" + key for key in odd_keys))
    listed = [each["Key"] for each in s3.list_objects(Bucket=bucket, Prefix="odd/")["Contents"]]
    same(listed, sorted("odd/" + key for key in odd_keys))
    for key in odd_keys:
        s3.copy_object(Bucket=bucket, Key="copied/" + key, CopySource={"Bucket": bucket, "Key": "odd/" + key})
        same(s3.head_object(Bucket=bucket, Key="copied/" + key)["ContentLength"], len(key.encode()))
    sayable = [key for key in odd_keys if "\x01" not in key]
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "odd/" + key} for key in sayable]})
    same(sorted(each["Key"] for each in gone["Deleted"]), sorted("odd/" + key for key in sayable))
    same("Errors" in gone, False)
    s3.delete_object(Bucket=bucket, Key="odd/\x01control")
    same(s3.list_objects_v2(Bucket=bucket, Prefix="odd/")["KeyCount"], 0)


@check("the pages of a listing add up to the whole listing")
def _():
    keys = [f"many/{number:03}/{part}" for number in range(130) for part in ("a", "b")]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for operation in ("list_objects_v2", "list_objects"):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, Prefix="many/", PaginationConfig={"PageSize": 37})
        same([each["Key"] for page in pages for each in page["Contents"]], keys)
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, Prefix="many/", Delimiter="/", PaginationConfig={"PageSize": 37})
        prefixes = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        same(prefixes, [f"many/{number:03}/" for number in range(130)])
    after = s3.list_objects_v2(Bucket=bucket, Prefix="many/", StartAfter=keys[100], MaxKeys=1)
    same((after["Contents"][0]["Key"], after["IsTruncated"]), (keys[101], True))
    rejection = rejected(s3.list_objects_v2, Bucket=bucket, ContinuationToken="garbage")
    same((rejection.status, rejection.code), (400, "InvalidArgument"))


@check("a large file is uploaded in parts and downloaded in ranges")
def _():
    transfer = TransferConfig(multipart_threshold=8 * 2**20, multipart_chunksize=8 * 2**20, max_concurrency=4)
    s3.upload_file(given["big"], bucket, "big", Config=transfer, ExtraArgs={"ContentType": "x/y"})
    head = s3.head_object(Bucket=bucket, Key="big")
    with open(given["big"], "rb") as file:
        expected = file.read()
    digests = [hashlib.md5(expected[at : at + 8 * 2**20]).digest() for at in range(0, len(expected), 8 * 2**20)]
    same(head["ETag"], f'"{hashlib.md5(b"".join(digests)).hexdigest()}-{len(digests)}"')
    same((head["ContentLength"], head["ContentType"]), (len(expected), "x/y"))
    down = io.BytesIO()
    s3.download_fileobj(bucket, "big", down, Config=transfer)
    assert down.getvalue() == expected
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    same((part["PartsCount"], part["Body"].read() == expected[8 * 2**20 : 16 * 2**20]), (len(digests), True))
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "big-copy", Config=transfer)
    same(s3.get_object(Bucket=bucket, Key="big-copy")["Body"].read() == expected, True)


@check("an upload is listed until it is aborted, and leaves nothing behind")
def _():
    upload = s3.create_multipart_upload(Bucket=bucket, Key="begun")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="begun", UploadId=upload, PartNumber=2, Body=b"two")
    parts = s3.list_parts(Bucket=bucket, Key="begun", UploadId=upload)["Parts"]
    same([(each["PartNumber"], each["Size"], each["ETag"]) for each in parts], [(2, 3, part["ETag"])])
    uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    same([(each["Key"], each["UploadId"]) for each in uploads], [("begun", upload)])
    wrong = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    same(rejected(s3.complete_multipart_upload, Bucket=bucket, Key="begun", UploadId=upload, MultipartUpload=wrong).code, "InvalidPart")
    s3.abort_multipart_upload(Bucket=bucket, Key="begun", UploadId=upload)
    same(rejected(s3.list_parts, Bucket=bucket, Key="begun", UploadId=upload).code, "NoSuchUpload")


@check("ranges and conditions")
def _():
    s3.put_object(Bucket=bucket, Key="ten", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="ten", Range="bytes=2-4")
    same((got["Body"].read(), got["ContentRange"], got["ContentLength"]), (b"234", "bytes 2-4/10", 3))
    same(s3.get_object(Bucket=bucket, Key="ten", Range="bytes=-2")["Body"].read(), b"89")
    rejection = rejected(s3.get_object, Bucket=bucket, Key="ten", Range="bytes=10-")
    same((rejection.status, rejection.code), (416, "InvalidRange"))
    etag = s3.head_object(Bucket=bucket, Key="ten")["ETag"]
    same(rejected(s3.get_object, Bucket=bucket, Key="ten", IfNoneMatch=etag).status, 304)
    rejection = rejected(s3.get_object, Bucket=bucket, Key="ten", IfMatch='"other"')
    same((rejection.status, rejection.code), (412, "PreconditionFailed"))
    rejection = rejected(s3.put_object, Bucket=bucket, Key="ten", Body=b"", IfNoneMatch="*")
    same((rejection.status, rejection.code), (412, "PreconditionFailed"))


@check("a copy retains the metadata of the object or replaces it")
def _():
    source = {"Bucket": bucket, "Key": "stored"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    same(s3.head_object(Bucket=bucket, Key="copy")["Metadata"], {"made": "by hand"})
    s3.copy_object(Bucket=bucket, Key="stored", CopySource=source, MetadataDirective="REPLACE", Metadata={"new": "1"}, ContentType="a/b")
    head = s3.head_object(Bucket=bucket, Key="stored")
    same((head["Metadata"], head["ContentType"]), ({"new": "1"}, "a/b"))
    same(rejected(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "no"}).code, "NoSuchKey")
    same(rejected(s3.copy_object, Bucket=bucket, Key="stored", CopySource=source).code, "InvalidRequest")


def fetch(url, data=None, headers=None):
    request = urllib.request.Request(url, data=data, headers=headers or {}, method="PUT" if data is not None else "GET")
    with urllib.request.urlopen(request) as answer:
        return answer.read(), answer.headers


@check("a presigned URL of either signature version gives access to one object")
def _():
    for version in ("s3", "s3v4"):
        signer = client("s3", signature_version=version)
        put = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "s ü/+", "ContentType": "text/csv"})
        fetch(put, b"1,2", {"Content-Type": "text/csv"})
        params = {"Bucket": bucket, "Key": "s ü/+", "ResponseContentType": "a/b", "ResponseContentDisposition": "attachment"}
        body, headers = fetch(signer.generate_presigned_url("get_object", Params=params))
        same((body, headers["Content-Type"], headers["Content-Disposition"]), (b"1,2", "a/b", "attachment"))
        try:
            fetch(signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "stored"}).replace("stored", "copy"))
        except urllib.error.HTTPError as error:
            same(error.code, 403)
            holds("SignatureDoesNotMatch", error.read().decode())
        else:
            raise AssertionError("another key was opened")


@check("a body with a wrong digest is rejected and not stored")
def _():
    rejection = rejected(s3.put_object, Bucket=bucket, Key="wrong", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    same((rejection.status, rejection.code), (400, "BadDigest"))
    rejection = rejected(s3.put_object, Bucket=bucket, Key="wrong", Body=b"x", ChecksumSHA256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    same((rejection.status, rejection.code), (400, "BadDigest"))
    same(rejected(s3.head_object, Bucket=bucket, Key="wrong").status, 404)


@check("absent and mismatched resources are rejected with S3's errors")
def _():
    rejection = rejected(s3.get_object, Bucket=bucket, Key="absent")
    same((rejection.status, rejection.code, rejection.response["Error"]["Key"]), (404, "NoSuchKey", "absent"))
    same(rejected(s3.get_object, Bucket="no-such-bucket", Key="k").code, "NoSuchBucket")
    same(rejected(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x").code, "NoSuchBucket")
    same(rejected(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"x").code, "KeyTooLongError")
    same(rejected(s3.put_object, Bucket=bucket, Key="k", Body=b"x", Metadata={"m": "x" * 2048}).code, "MetadataTooLarge")
    same(rejected(s3.delete_bucket, Bucket=bucket).code, "BucketNotEmpty")
    rejection = rejected(s3.get_bucket_acl, Bucket=bucket)
    same((rejection.status, rejection.code), (501, "NotImplemented"))
    s3.delete_object(Bucket=bucket, Key="absent")


@check("a bucket is emptied and deleted")
def _():
    while keys := [{"Key": each["Key"]} for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]:
        for each in [each for each in keys if "\x01" in each["Key"]]:
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        keys = [each for each in keys if "\x01" not in each["Key"]]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    s3.delete_bucket(Bucket=bucket)
    same(rejected(s3.delete_bucket, Bucket=bucket).code, "NoSuchBucket")
