"""From a job title, in the languages of Europe: how senior, and in which department.

Words are compared without case and accents. The first seniority whose word or phrase is in the title counts,
so `vice president` comes before `president`, who assists a chief is no chief, who directs student services no
student.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from clearlane.identity.normalise import folded

# A phrase stands for whole words; `*` for any letters (vertriebs* is one word that begins so).
_SENIORITY: Final[Mapping[str, tuple[str, ...]]] = {
    "individual": (
        "executive assistant", "personal assistant", "office assistant", "assistant to", "assistant of", "secretary",
        "assistenz", "assistentin", "sekretar*", "assistante de direction", "product owner", "process owner",
        "system owner", "service owner", "data owner", "business owner process", "chef de partie",
    ),
    "vp": (
        "vp", "svp", "evp", "avp", "rvp", "vice president", "vice presidente", "vicepresident*", "vice prasident*",
        "vizeprasident*",
    ),
    "c_level": (
        "ceo", "cfo", "cto", "cio", "cmo", "coo", "cro", "cso", "cpo", "cdo", "ciso", "chro", "cco", "chief * officer",
        "chief * * officer", "chief executive", "founder", "cofounder", "founding partner", "owner", "co owner",
        "proprietor", "president", "presidente", "prasident*", "chairman", "chairwoman", "chairperson",
        "managing director", "managing partner", "general manager", "geschaftsfuhr*", "inhaber*", "vorstand*",
        "grunder*", "pdg", "directeur general", "directrice generale", "gerant*", "fondateur", "fondatrice",
        "proprietaire", "director general", "directora general", "consejero delegado", "consejera delegada",
        "gerente general", "fundador*", "propietari*", "amministratore delegato", "titolare", "fondatore",
        "fondatrice", "socio gerente", "diretor geral", "algemeen directeur", "eigenaar", "oprichter", "zaakvoerder",
        "vd", "verkstallande direktor", "toimitusjohtaja", "prezes*", "wlasciciel*", "jednatel", "majitel",
    ),
    "director": (
        "director", "directora", "directeur", "directrice", "direktor*", "direttore", "direttrice", "diretor*",
        "dyrektor*", "head", "head of", "leiter", "leiterin", "leitung", "leitende*", "*bereichsleiter*",
        "*abteilungsleiter*", "vertriebsleiter*", "marketingleiter*", "itleiter*", "verkaufsleiter*",
        "entwicklungsleiter*", "personalleiter*", "prokurist*", "dean",
    ),
    "manager": (
        "manager", "managerin", "mgr", "lead", "leader", "team lead", "supervisor", "foreman", "*leiter", "*leiterin",
        "responsable", "responsabile", "gerente", "jefe", "jefa", "chef", "chefe", "chef de", "encargad*",
        "coordinatore", "kierownik", "vedouci", "paallikko", "*paallikko", "coordenador*", "gestionnaire",
    ),
    "student": (
        "student", "studentin", "werkstudent*", "etudiant*", "estudiante", "studente", "intern", "internship",
        "praktikant*", "stagiaire", "becari*", "tirocinante", "apprentice", "azubi", "phd candidate", "undergraduate",
        "graduate student", "pupil", "schuler*",
    ),
    "senior": ("senior", "sr", "principal", "staff", "expert", "expertin", "experte", "architect", "architekt*"),
}  # fmt: skip

_DEPARTMENT: Final[Mapping[str, tuple[str, ...]]] = {
    "revenue": ("revenue", "revops", "rev ops", "cro", "commercial operations", "gtm", "go to market"),
    "marketing": (
        "marketing*", "cmo", "brand", "growth", "demand generation", "demand gen", "content", "seo", "communications",
        "communication", "kommunikation", "mercadeo", "mercadotecnia", "pr", "public relations", "*marketing",
        "digital media",
    ),
    "sales": (
        "sales", "account executive", "account manager", "business development", "bdr", "sdr", "vertrieb*", "verkauf*",
        "ventes", "ventas", "vendite", "vendas", "verkoop*", "commercial", "commerciale", "comercial", "handlowy",
        "sprzedaz*", "key account*", "forsaljning*", "myynti*", "technico commercial",
    ),
    "product": ("product", "produkt*", "produit*", "producto*", "prodotto", "cpo", "ux", "ui", "designer", "design"),
    "engineering": (
        "engineering", "engineer", "developer", "development", "software", "devops", "cto", "entwickl*",
        "softwareentw*",
        "ingenieur*", "ingeniero", "ingeniera", "ingegnere", "engenheir*", "developpeur*", "desarrollador*",
        "programmer", "programmierer*", "architect", "architekt*", "r d", "research", "forschung*", "technology",
        "technical", "technik", "sre", "qa",
    ),
    "it": (
        "it", "cio", "ciso", "information technology", "information systems", "informatik*", "informatique",
        "informatica", "sistemas", "systems", "systemadministrator", "sysadmin", "infrastructure", "security",
        "cybersecurity", "network", "dsi", "edv", "data", "bi", "business intelligence", "helpdesk", "cloud", "edb",
    ),
    "finance": (
        "finance", "financial", "cfo", "controller", "controlling", "controllerin", "accounting", "accountant",
        "treasury", "treasurer", "finanz*", "finanzas", "financier*", "finanza", "finanse*", "buchhalt*", "comptable",
        "comptabilite", "contabil*", "contador*", "tax", "audit", "auditor", "billing", "daf",
    ),
    "hr": (
        "hr", "human resources", "people", "talent", "recruit*", "personal*", "personnel", "chro", "rh",
        "ressources humaines", "recursos humanos", "risorse umane", "payroll", "kadry",
    ),
    "purchasing": (
        "purchasing", "procurement", "buyer", "sourcing", "einkauf*", "einkaufer*", "achats", "acheteur", "acheteuse",
        "compras", "acquisti", "inkoop*", "inkop*",
    ),
    "legal": ("legal", "counsel", "lawyer", "attorney", "compliance", "juriste", "juridique", "recht*", "privacy"),
    "support": (
        "support", "customer success", "customer service", "customer care", "customer experience", "service desk",
        "kundenservice", "kundendienst", "service client", "atencion al cliente", "assistenza clienti",
    ),
    "operations": (
        "operations", "operation", "ops", "coo", "logistics", "logistik*", "logistique", "logistica", "supply chain",
        "production", "produktion*", "produccion", "produzione", "manufacturing", "plant", "facility", "facilities",
        "warehouse", "fleet", "operaciones", "operazioni", "betrieb*", "betriebsleiter*", "quality", "qualitat*",
        "project", "projekt*", "processes",
    ),
    "education": ("teacher", "professor", "lecturer", "lehrer*", "profesor*", "enseignant*", "researcher"),
    "executive": (
        "ceo", "chief executive", "president", "founder", "cofounder", "owner", "managing director",
        "managing partner", "general manager", "geschaftsfuhr*", "inhaber*", "pdg", "gerente general",
        "directeur general", "director general", "amministratore delegato", "vorstand*",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class JobTitle:
    name: str = "job_title"
    needs: tuple[str, ...] = ("title",)
    provides: tuple[str, ...] = ("seniority", "department")

    def enrich(self, frame: pd.DataFrame) -> pd.DataFrame:
        titles = frame["title"].map(_plain)
        return pd.DataFrame(
            {"seniority": titles.map(_seniority), "department": titles.map(_department)}, index=frame.index
        )


def _plain(title: str) -> str:
    return " ".join(re.findall(r"\w+", folded(title).replace("co-", "co").replace("&", " ")))


def _seniority(title: str) -> str | None:
    return _first(_SENIORITIES, title) or ("individual" if title else None)


def _department(title: str) -> str | None:
    return _first(_DEPARTMENTS, title)


def _first(patterns: Mapping[str, re.Pattern[str]], title: str) -> str | None:
    return next((name for name, pattern in patterns.items() if pattern.search(title)), None)


def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    written = (re.escape(phrase).replace(r"\*", r"\w*").replace(r"\ ", " ") for phrase in phrases)
    return re.compile(rf"\b(?:{'|'.join(written)})\b")


_SENIORITIES: Final = {name: _pattern(phrases) for name, phrases in _SENIORITY.items()}
_DEPARTMENTS: Final = {name: _pattern(phrases) for name, phrases in _DEPARTMENT.items()}
