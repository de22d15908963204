"""What a mail domain or the name before the @ says: a free provider, a throw-away address, a shared desk.

Free providers and desk names are our own lists; throw-away domains are those of `disposable-email-domains`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FREE: Final = _each(
    """
    gmail.com googlemail.com icloud.com me.com mac.com live.com msn.com passport.com windowslive.com
    live.co.uk live.fr live.de live.nl live.it live.be live.ca live.com.au live.com.mx live.com.pt live.se
    live.dk live.no live.ie live.cl live.com.ar live.in live.cn live.jp live.ru
    proton.me pm.me tutanota.com tutanota.de tuta.io tuta.com tutamail.com mailbox.org posteo.de posteo.net
    hushmail.com fastmail.com fastmail.fm startmail.com runbox.com zoho.com zohomail.com mail.com email.com
    usa.com inbox.com lycos.com juno.com netzero.net excite.com rediffmail.com sify.com indiatimes.com
    hey.com duck.com gmx.us web.de t-online.de freenet.de arcor.de online.de email.de mail.de kabelmail.de
    vodafonemail.de 1und1.de bluewin.ch hispeed.ch sunrise.ch aon.at chello.at a1.net
    orange.fr wanadoo.fr free.fr sfr.fr laposte.net neuf.fr bbox.fr numericable.fr aliceadsl.fr club-internet.fr
    libero.it virgilio.it tiscali.it alice.it tin.it email.it fastwebnet.it inwind.it iol.it poste.it
    telefonica.net terra.es ono.com movistar.es
    ziggo.nl home.nl planet.nl xs4all.nl kpnmail.nl hetnet.nl casema.nl upcmail.nl quicknet.nl
    telenet.be skynet.be proximus.be scarlet.be
    btinternet.com btopenworld.com sky.com talktalk.net virginmedia.com ntlworld.com blueyonder.co.uk
    tiscali.co.uk o2.co.uk
    comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net optonline.net
    roadrunner.com frontier.com windstream.net centurylink.net mindspring.com suddenlink.net
    rogers.com bell.net shaw.ca telus.net sympatico.ca videotron.ca
    bigpond.com bigpond.net.au optusnet.com.au iinet.net.au xtra.co.nz
    uol.com.br bol.com.br terra.com.br ig.com.br globo.com globomail.com r7.com prodigy.net.mx
    mail.ru inbox.ru list.ru bk.ru rambler.ru ya.ru ukr.net i.ua
    wp.pl o2.pl onet.pl op.pl interia.pl interia.eu tlen.pl poczta.fm gazeta.pl
    seznam.cz email.cz centrum.cz atlas.cz post.cz azet.sk centrum.sk zoznam.sk
    freemail.hu citromail.hu abv.bg mail.bg dir.bg gmail.hu
    telia.com spray.se bredband.net comhem.se online.no broadpark.no frisurf.no mail.dk jubii.dk tdcadsl.dk
    luukku.com kolumbus.fi suomi24.fi elisanet.fi
    sapo.pt clix.pt netcabo.pt mynet.com superonline.com
    qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn tom.com
    naver.com daum.net hanmail.net nate.com kakao.com
    docomo.ne.jp ezweb.ne.jp softbank.ne.jp nifty.com biglobe.ne.jp ocn.ne.jp so-net.ne.jp
    walla.co.il walla.com netvision.net.il bezeqint.net
    """
)
# These have an address in most countries: yahoo.co.uk, hotmail.fr, gmx.at ...
_FREE_IN_EVERY_COUNTRY: Final = _each("yahoo ymail rocketmail hotmail outlook aol aim gmx yandex protonmail")
_DESKS: Final = _each(
    """
    abuse accounting accounts admin administracion administration administrator ap ar billing bookings buchhaltung
    career careers comercial commercial compras contact contactenos contacto contactus contato customercare
    customerservice direction einkauf enquiries enquiry events facturacion feedback finance frontdesk general help
    helpdesk hello hi hola hostmaster hr info infos informacion information inquiries inquiry investors invoice
    invoices it jobs kontakt legal mail mailbox marketing media newsletter no-reply noreply office orders
    partner partners payments postmaster post press presse privacy procurement purchasing reception recepcion
    recruiting recruitment rechnung root sales secretary security service services shop staff subscribe support team
    tech uebersicht vendas ventas verkauf vertrieb verwaltung webmaster zentrale
    """
)


@lru_cache(maxsize=1)
def _throw_away() -> frozenset[str]:
    from disposable_email_domains import allowlist, blocklist

    return frozenset(blocklist) - frozenset(allowlist)


def is_free(domain: str) -> bool:
    """A domain at which anyone gets an address, so it says nothing about the company."""
    return domain in _FREE or domain.partition(".")[0] in _FREE_IN_EVERY_COUNTRY


def is_disposable(domain: str) -> bool:
    return domain in _throw_away()


def is_nobodys(domain: str) -> bool:
    """A domain that says nothing about the company."""
    return is_free(domain) or is_disposable(domain)


def is_desk(local_part: str) -> bool:
    """Is this the name of a desk that several people read (info, sales, kontakt), not of one person?"""
    return local_part.partition("+")[0] in _DESKS
