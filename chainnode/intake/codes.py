"""Displays of our own for the codes that are seen most: text of the input never comes out.

The wording follows the code systems' preferred terms, shortened. A code that is not here comes out
without a display.
"""

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
UCUM = "http://unitsofmeasure.org"
THO = "http://terminology.hl7.org/CodeSystem/"

_SNOMED = """
10509002 Acute bronchitis
128613002 Seizure disorder
13645005 Chronic obstructive lung disease
15777000 Prediabetes
162673000 General examination of patient
162864005 Body mass index 30 or more, obesity
183452005 Inpatient encounter
185345009 Encounter for symptom
185347001 Encounter for problem
185349003 Encounter for check-up
195662009 Acute viral pharyngitis
195967001 Asthma
196416002 Impacted molars
230265002 Alzheimer's disease, familial, of early onset
232347008 Dander allergy
232350006 House dust mite allergy
232353008 Perennial allergic rhinitis with seasonal variation
23426006 Measurement of respiratory function
239872002 Osteoarthritis of hip
239873007 Osteoarthritis of knee
254837009 Malignant neoplasm of breast
26929004 Alzheimer's disease
266919005 Never smoked tobacco
271737000 Anaemia
300913006 Shellfish allergy
300916003 Latex allergy
36971009 Sinusitis
370143000 Major depressive disorder
38341003 Hypertensive disorder
390906007 Follow-up encounter
394701000 Asthma follow-up
399208008 Plain chest X-ray
40055000 Chronic sinusitis
40701008 Echocardiography
414545008 Ischaemic heart disease
418689008 Grass pollen allergy
419263009 Tree pollen allergy
419474003 Mould allergy
428191000124101 Documentation of current medications
433144002 Chronic kidney disease stage 3
43878008 Streptococcal sore throat
44054006 Type 2 diabetes mellitus
444814009 Viral sinusitis
44465007 Sprain of ankle
449868002 Smokes tobacco daily
47693006 Rupture of appendix
49436004 Atrial fibrillation
50849002 Emergency room admission
53741008 Coronary arteriosclerosis
55822004 Hyperlipidaemia
59621000 Essential hypertension
62564004 Concussion with loss of consciousness
64859006 Osteoporosis
65363002 Otitis media
70704007 Sprain of wrist
714628002 Prediabetes
71651007 Mammography
73761001 Colonoscopy
74400008 Appendicitis
84114007 Heart failure
84757009 Epilepsy
8517006 Former smoker
88805009 Chronic congestive heart failure
91934008 Nut allergy
"""

_LOINC = """
1742-6 Alanine aminotransferase, serum or plasma
18262-6 LDL cholesterol, measured
2085-9 HDL cholesterol
2093-3 Total cholesterol
2339-0 Glucose, blood
24323-8 Comprehensive metabolic panel
2571-8 Triglycerides
29463-7 Body weight
33914-3 Glomerular filtration rate, estimated
38483-4 Creatinine, blood
39156-5 Body mass index
4548-4 Haemoglobin A1c, blood
55284-4 Blood pressure
57698-3 Lipid panel
58410-2 Complete blood count
718-7 Haemoglobin, blood
72166-2 Tobacco smoking status
72514-3 Pain severity, 0 to 10
777-3 Platelets, blood
8302-2 Body height
8310-5 Body temperature
8462-4 Diastolic blood pressure
8480-6 Systolic blood pressure
85354-9 Blood pressure panel
8867-4 Heart rate
"""

_RXNORM = """
243670 Aspirin 81 mg oral tablet
259255 Atorvastatin 80 mg oral tablet
310798 Hydrochlorothiazide 25 mg oral tablet
310965 Ibuprofen 200 mg oral tablet
312940 Sertraline 25 mg oral tablet
313782 Acetaminophen 325 mg oral tablet
314076 Lisinopril 10 mg oral tablet
562251 Amoxicillin 250 mg and clavulanate 125 mg oral tablet
745679 Albuterol metered-dose inhaler, 200 actuations
849574 Naproxen sodium 220 mg oral tablet
855332 Warfarin sodium 5 mg oral tablet
860975 Metformin 500 mg extended-release oral tablet
895994 Fluticasone metered-dose inhaler, 120 actuations
"""

_CVX = """
03 MMR
08 Hepatitis B, adolescent or paediatric
10 Inactivated polio
20 DTaP
21 Varicella
33 Pneumococcal polysaccharide, 23 valent
43 Hepatitis B, adult
52 Hepatitis A, adult
62 HPV, quadrivalent
113 Tetanus and diphtheria, adult, preservative free
114 Meningococcal MCV4P
115 Tdap
121 Zoster, live
133 Pneumococcal conjugate PCV 13
140 Influenza, seasonal, preservative free
"""


def _table(system: str, text: str) -> dict[tuple[str, str], str]:
    entries = (line.split(" ", 1) for line in text.splitlines() if line)
    return {(system, code): display for code, display in entries}


DISPLAYS: dict[tuple[str, str], str] = {
    **_table(SNOMED, _SNOMED),
    **_table(LOINC, _LOINC),
    **_table(RXNORM, _RXNORM),
    **_table(CVX, _CVX),
}
"""(system, code) -> what to show."""
