"""The words of what a patient signs, in English and Chinese: a pair each, so that neither lacks one."""

from chainnode.ledger.fields import SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST
from chainnode.ledger.payloads import DENY, PERMIT

LANGUAGES = ("en", "zh")

TITLES = {
    "application": ("A research project asks for your data", "一个研究项目申请使用您的数据"),
    "terms": ("Standing terms for later applications", "对今后各项申请长期有效的同意条款"),
    "taking-back": ("Taking back a consent", "撤回同意"),
}

LABELS = {
    "network": ("Network", "网络"),
    "hospital": ("Hospital that asks you", "向您征求意见的医院"),
    "handle": ("You, in this network", "您在本网络中的代号"),
    "written": ("Written on", "文件生成时间"),
    "signed_until": ("To be handed in until block", "须在此区块高度之前提交"),
    "applicant": ("Who wants the data", "申请方"),
    "project": ("Project", "项目编号"),
    "title": ("Title", "项目名称"),
    "plan": ("What is to be done", "研究内容"),
    "purpose": ("Purpose", "用途"),
    "disease": ("Disease", "所研究的疾病"),
    "profit": ("For profit", "是否营利"),
    "promises": ("The project promises", "项目方承诺"),
    "data": ("Your data", "涉及您的数据"),
    "until": ("Until", "截止时间"),
    "application": ("Number of the application", "申请编号"),
    "decision": ("You say", "您的决定"),
    "status": ("Status", "状态"),
    "scope": ("About", "事项"),
    "said": ("Date of these terms", "条款日期"),
    "actors": ("Who may ask", "适用的申请方"),
    "purposes": ("For which purposes", "适用的用途"),
    "classes": ("Which data", "适用的数据"),
    "levels": ("Of which sensitivity (1 to 5)", "适用的数据级别（1 至 5 级）"),
    "codes": ("Where the data say", "数据须含有的编码"),
    "data_from": ("Data recorded from", "数据记录时间自"),
    "data_until": ("Data recorded until", "数据记录时间至"),
    "from": ("In force from", "生效时间"),
    "exception": ("Exception", "例外情况"),
    "what": ("What you take back", "撤回的内容"),
    "target": ("Number of it", "对应编号"),
    "effect": ("What it means", "签署的后果"),
}

VALUES = {
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "none": ("none", "无"),
    "any": ("any", "不限"),
    "never": ("no end", "无期限"),
    "at_once": ("at once", "立即生效"),
    PERMIT: ("I permit it", "同意"),
    DENY: ("I do not permit it", "不同意"),
}

COUNT = ("{what}: {count} objects", "{what}：{count} 份")
DEPARTMENT = ("{member}, department {department}", "{member}，{department} 科室")

EFFECTS = {
    "application": (
        "If you sign yes, the project can read these data once the hospital has signed too. What it was "
        "given cannot be called back; you can take your yes back for all that comes after. You may say no, "
        "without a reason and without any disadvantage for your treatment.",
        "如果您签署同意，在医院也签署之后，该项目即可读取上述数据。已经交付的数据无法收回；"
        "但您可以随时撤回同意，撤回之后不再提供新的数据。您可以拒绝，无需说明理由，也不会影响您的诊疗。",
    ),
    "terms": (
        "Later applications that fit these terms are answered by them, without asking you again. You can "
        "take the terms back at any time; what was given until then cannot be called back.",
        "今后凡符合上述条款的申请，都将按这些条款处理，不再逐次询问您。您可以随时撤回这些条款；"
        "在此之前已经交付的数据无法收回。",
    ),
    "taking-back": (
        "From the block that holds it on, nothing more is given out on what you take back. What was given "
        "before cannot be called back.",
        "自记录此次撤回的区块起，不再依据所撤回的内容提供数据。此前已经交付的数据无法收回。",
    ),
}

PURPOSES = {
    "NRES": ("any use, without restriction", "任何用途，不受限制"),
    "GRU": ("research of any kind", "一般研究用途"),
    "HMB": ("research into health, medicine and biology", "健康、医学与生物医学研究"),
    "DS": ("research into one disease", "特定疾病研究"),
    "POA": ("research into origins and ancestry of populations", "人群起源与祖源研究"),
}

PROMISES = {
    "IRB": ("approval by an ethics committee", "已获伦理委员会批准"),
    "NPU": ("use by not-for-profit organisations only", "仅由非营利机构使用"),
    "NCU": ("no commercial use", "不作商业用途"),
    "TS": ("use within a limited time", "仅在限定时间内使用"),
    "GS": ("use in the named region only", "仅在指定地域内使用"),
    "IS": ("use by the named institution only", "仅由指定机构使用"),
    "PS": ("use in the named project only", "仅用于指定项目"),
    "MOR": ("results published not before the agreed date", "在约定日期之前不发表结果"),
    "RTN": ("derived data returned to where the data came from", "将衍生数据返还给数据来源方"),
    "CC": ("use in clinical care", "用于临床诊疗"),
    "NPUNCU": ("not for profit and no commercial use", "仅非营利且非商业使用"),
    "PUB": ("results are published", "公开发表研究结果"),
    "COL": ("work together with the first researchers", "与原研究者合作"),
    "US": ("use by named persons only", "仅由指定人员使用"),
    "RS": ("use in the named kind of research only", "仅用于指定类型的研究"),
    "GSO": ("genetic studies only", "仅用于遗传学研究"),
    "NMDS": ("no development of general methods", "不用于一般方法学研发"),
    "NPOA": ("no research into origins and ancestry", "不用于人群起源与祖源研究"),
}

CLASSES = {
    "demographics": ("age band, sex and the like", "年龄段、性别等基本情况"),
    "encounters": ("visits and stays", "就诊与住院记录"),
    "conditions": ("diagnoses", "诊断"),
    "observations": ("findings and laboratory values", "检查与化验结果"),
    "medications": ("medicines", "用药"),
    "procedures": ("operations and other procedures", "手术与其他操作"),
    "immunizations": ("vaccinations", "疫苗接种"),
    "allergies": ("allergies", "过敏"),
}

STATUSES = {
    "draft": ("draft, without effect", "草稿，尚无效力"),
    "proposed": ("proposed, without effect", "拟议，尚无效力"),
    "active": ("in force", "有效"),
    "rejected": ("rejected, without effect", "已拒绝，无效力"),
    "inactive": ("ended, without effect", "已终止，无效力"),
    "entered-in-error": ("entered in error, without effect", "误录，无效力"),
}

MATTERS = {
    "research": ("research", "研究"),
    "treatment": ("treatment", "诊疗"),
    "patient-privacy": ("privacy", "隐私"),
    "adr": ("advance care directive", "预立医疗指示"),
}

TAKEN_BACK = {
    SCOPE_ALL: (
        "everything that you ever permitted here, and standing terms that say no too",
        "您在此作出的全部同意，以及表示拒绝的长期条款",
    ),
    SCOPE_CLASS: ("all permissions for one kind of data", "对某一类数据的全部同意"),
    SCOPE_CONSENT: ("one standing consent", "一项长期同意条款"),
    SCOPE_REQUEST: ("your yes to one application", "对某一项申请的同意"),
}

QUESTIONS = {
    "sign": ("Sign this? Type yes: ", "是否签署？请输入“是”或 yes："),
    "refuse": ("Sign a no to this? Type yes: ", "是否签署“拒绝”？请输入“是”或 yes："),
}
YES = ("yes", "是")
TABLES = {
    "titles": TITLES,
    "labels": LABELS,
    "values": VALUES,
    "effects": EFFECTS,
    "purposes": PURPOSES,
    "promises": PROMISES,
    "classes": CLASSES,
    "statuses": STATUSES,
    "matters": MATTERS,
    "taken back": TAKEN_BACK,
    "questions": QUESTIONS,
    "templates": {"count": COUNT, "department": DEPARTMENT},
}
"""All of them, for whoever checks that nothing is missing."""
