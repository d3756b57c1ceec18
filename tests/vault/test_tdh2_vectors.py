"""Frozen bytes. Objects taken in under them are opened years later: they never change within suite 1."""

from shamir import fixed_random, share_secret

from chainnode.vault import group, tdh2
from chainnode.vault.keys import KemKey
from chainnode.vault.sealing import open_sealed
from consensus.codec import encode

SECRET = group.reduce(bytes(range(64)))
POINT = group.multiply_base(SECRET)
LABEL = encode(("W_p", b"c" * 32, b"o" * 16, 3, b"p" * 32))
MESSAGE = bytes(range(100, 164))

CIPHERTEXT = bytes.fromhex(
    "9601c420ec48b403ddd3415d29d177f50ba7f9944c73d7278a6e9cfaf06f4810abb38821c4209cb9a0092bed90d482cb"
    "eeea8c10fbb3a5ef582f5174112a9b82bf8cb11da784c420ed3a91bc9dfed50be29c22655416e99568d5556e5a61f8a6"
    "5c0a53c2ddc0d304c4203aa2743e16db34e58d3bd46b40efd5877a6845612e4ac71f09289864f623b804c4409ec92084"
    "dd5a2e69f6ab4bdc20004459703e4ddd3ad30aba95742fdb58f5440f441b7471500121a0c0f4a62fb51f8782f279cad1"
    "40530f6625c9124f8be69873"
)
PARTIALS = {
    1: (
        "9401c42019065bcc0d6a96d58348cf9ee73c76601bf0a109cadc9cd1213f2d884fa82b7cc420d6d831b4f6c2f9aa412d"
        "68b461f9b71f7f69b69503415aab255a88294614ca07c4208983eebeb0a320e84b240630d9116df6ff361c535fabd8b6"
        "27fad298db6ae808"
    ),
    3: (
        "9403c4209db5cfacfe36bc222fadb2def530a79d421e3a7e2b72ee5b2ac69c082d1b5a8ec4201dfb895a3e90bea0cc1d"
        "98a5293e4f04f4c0051fef473f0d0d3212425049f705c4207d410a946081c84c04c7f9258d3905585d222d522aa37506"
        "619136cd5794970c"
    ),
}
SEALED = bytes.fromhex(
    "01e01e1d43c5ad3f5fc9d9c69c2cae560a4417d9bcd84bf7e98c7b25f1d0a9df4ac1419c13bb339be60e90c032fff8f6"
    "8a703ef31edc9eea009338b84df09c4617032f0db37f46d4db67916e27537db51be970a3f3d23e01f433deafccbdc5a1"
    "90b9e38649989f1ba7ab42e832725fbc5995b9d65b8961fb31c564d01a64312e65c4f04f4dfc3968f283d5e972291454"
    "e3d0ff3831bcba26ac817b360a597db4998edc441a4a7b021c267c64f3a395a2f2e69575a8702c507247dec5afdf17c4"
    "ce01613c574e7695636beee67f1f2d4b71141aff267d080d9fa55763a036c03f0f3a344ad38bcf12f69200beb008d01e"
    "bb001eb5191b2f2f827ff2b5a696ada83be0f9ac6496f7c067971c017d2e94497b6d3c1329a163cced978aa9cbe03291"
    "687d8ab45f7847d77d50a306b1f4ff0fab917678e724503656240c86f5b8d76c99a281c749999706b5de3bbc7d994fe4"
    "04519b356f10ab7d76c1651411b97826f03cbd01da7941ca2064bbf2f00fce2cc8f7314446da953c182c7bca8877f4d9"
    "60b327b80c6456e5d2a778b3714a62ca3305c8e248cd05efa689481ab643364bf4a6992652248e7aba86d8ee1368264c"
    "45049d3cb76d6cf92e9962568de770f3fa4e3b8bb21fa8db61b87f52c00d1e891016506028663e22ce15b4ce51dc47c4"
    "166ee37e95d36873cc7e58b2d62fff26fb3a070ecd24cb8a4620485ab6cdf97ee2c0b248bfc1297523335bfdf1ef9476"
    "32440b8846f3864d52dec5ac7d013d4d07bd99d6a9321d13ca54c3feb6d4c77c6d29f2f2869b9e7582b24f10de989076"
    "9dbf37e22281183867abfa8649a88a763c49741ff32c0eed799e211c47e161f7b5c87f8d385606f15b702d00f2003da1"
    "d3f728c615e8e49c95c79dd5af640dddbd091714a989beecccb40a4760a9a0274d5a3133afb239599289e6015865fb84"
    "b70ff2c5f8eaaeff0f36d63d48c7ce37e4da059940a845d56d557653c5687841b2e811c9015461aa62be52cd2a8894e8"
    "abb4418de99ab42a66631bd78ffe71b43f5744b80ec1dab21443f1094c0ce0d677530f8d366b004485b35a08754029f8"
    "d432b9050934bc2da0a726d8c7c12cd6ded1821f5d3b9753284ac23c8b75c864d335b683698231961797254b98e9a678"
    "c943257f8e0a3d43cc9cf8c63c0f49ce42bf761811d770ec5aca07a72f83f8344967e9a8a1ea99413f7c1e83f2c74739"
    "786a1c9918c75428d6eb2cf26c4990bb927ee45604482bbc8aafd304533bb5baf331d24aa970b4b62a6603de49ee1e46"
    "60fa2d2632a52eaa6de157d7036be4f058fbd8142195033f7b8a1fd39a52cfcfe9e9862b0d1661cee1993216f735e399"
    "a839e1d24b9c20fd840d524ad9c08f31fc4a1e5eca0da5fa854538aedf575c4dc121073abe14136d75f2fdc17fa2a8f4"
    "1ca1f60f38ac61cec26e02c06bca243d9a7477d808dcce9d5ab056f14f97540e2394c3ce7af1782ebd8dd6f6797906ad"
    "49686d2235deabfc8ce8ccfaf0a232fc3d9d87a6399aba4deacf99a761e80fd03d164254647cf1262b0da15a79c36bd0"
    "31cfe02986d1cfe72036a5b548210f921aa97dd05ec17b4609e4d4b9d21419bef921f6d5f1912012e9122f7abbf32119"
    "11501bcddee9d2d491eac56aba6a608f39"
)


def test_the_second_generator_is_frozen() -> None:
    assert tdh2.SECOND_GENERATOR.hex() == "7531dc378b626ed4ebd1b913a21b1ed80ac066a3ace59230cfe8d7e159b2af4a"
    assert group.is_point(tdh2.SECOND_GENERATOR)


def test_encryption_gives_the_frozen_ciphertext() -> None:
    ciphertext = tdh2.encrypt(POINT, MESSAGE, LABEL, fixed_random(b"vector"))
    assert tdh2.encode_ciphertext(ciphertext) == CIPHERTEXT


def test_the_frozen_ciphertext_opens() -> None:
    assert tdh2.decrypt(SECRET, tdh2.decode_ciphertext(CIPHERTEXT), LABEL) == MESSAGE


def test_partials_are_the_frozen_ones_and_combine() -> None:
    ciphertext = tdh2.decode_ciphertext(CIPHERTEXT)
    shares = share_secret(SECRET, 2, 3, fixed_random(b"deal"))
    points = {index: group.multiply_base(share) for index, share in shares.items()}
    answers = []
    for index, frozen in PARTIALS.items():
        random = fixed_random(b"partial" + bytes([index]))
        answer = tdh2.partial(shares[index], ciphertext, LABEL, index=index, random=random)
        assert encode(answer).hex() == frozen
        answers.append(answer)
    assert tdh2.combine(ciphertext, LABEL, answers, points, 2) == MESSAGE


def test_the_frozen_sealed_blob_opens() -> None:
    assert open_sealed(KemKey(bytes(range(32))), SEALED, b"frozen") == b"a secret of 32 bytes, frozen now"
